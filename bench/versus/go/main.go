// The workloads of docs/benchmarks.md with Go; ../sennit.c and ../pthread.c have the same. Workers are what GOMAXPROCS says.
package main

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	warm    = 25 * time.Millisecond  // a warm-up is long enough to tell from it how many rounds a measurement needs
	measure = 100 * time.Millisecond // what a measurement aims at

	subBits = 4
	buckets = 61 << subBits
)

// waits says how long calls took: counts in buckets of a sixteenth of a power of two, and the longest.
type waits struct {
	counts  [buckets]uint64
	longest time.Duration
}

var started = time.Now()

func (w *waits) clock() time.Duration {
	if w == nil {
		return 0
	}
	return time.Since(started)
}

func (w *waits) note(d time.Duration) {
	if w == nil {
		return
	}
	v := uint64(d)
	if d < 1 {
		v = 1
	}
	shift := bits.Len64(v) - 1 - subBits
	if shift < 0 {
		shift = 0
	}
	w.counts[uint64(shift)<<subBits+v>>uint(shift)]++
	if d > w.longest {
		w.longest = d
	}
}

func (w *waits) add(other *waits) {
	for i, n := range other.counts {
		w.counts[i] += n
	}
	if other.longest > w.longest {
		w.longest = other.longest
	}
}

// quantile returns the least duration that no more than one of n waits exceeded, to a sixteenth.
func (w *waits) quantile(n uint64) time.Duration {
	var all, above uint64
	for _, c := range w.counts {
		all += c
	}
	for i := buckets - 1; i >= 0; i-- {
		above += w.counts[i]
		if above > all/n {
			shift := 0
			if i>>subBits > 0 {
				shift = i>>subBits - 1
			}
			top := time.Duration((i-shift<<subBits+1)<<shift - 1)
			if top < w.longest {
				return top
			}
			return w.longest
		}
	}
	return 0
}

// pass is one pass of a workload: n rounds by each of its tasks.
type pass struct {
	n     int
	tasks int
	waits []waits // one for each task; nil: the clock is not read in between
}

// work is some nanoseconds of work that no compiler shortens (two rounds of Marsaglia's xorshift).
func work(x uint64) uint64 {
	for i := 0; i < 2; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func checkEqual(what string, got, expected int) {
	if got != expected {
		fmt.Fprintf(os.Stderr, "%s: %d instead of %d\n", what, got, expected)
		os.Exit(1)
	}
}

type member struct {
	n     int
	index int
	waits *waits
	own   uint64 // the result of private work, so that it is done
}

// together runs goroutines that begin at the same moment.
func (p *pass) together(tasks int, fn func(*member)) time.Duration {
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(tasks)
	done.Add(tasks)
	for i := 0; i < tasks; i++ {
		me := &member{n: p.n, index: i, own: uint64(i) + 1}
		if p.waits != nil {
			me.waits = &p.waits[i]
		}
		go func() {
			defer done.Done()
			ready.Done()
			<-gate
			fn(me)
		}()
	}
	ready.Wait()
	begin := time.Now()
	close(gate)
	done.Wait()
	return time.Since(begin)
}

// Uncontended: one goroutine.

type locked struct {
	mu    sync.Mutex
	state uint64
	count int
}

type rwlocked struct {
	mu          sync.RWMutex
	state       uint64
	first, last int // equal whenever nobody writes
}

func mutex(p *pass) time.Duration {
	s := new(locked)
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		s.mu.Lock()
		s.count++
		s.mu.Unlock()
	}
	took := time.Since(begin)
	checkEqual("mutex", s.count, p.n)
	return took
}

func rwmutexRead(p *pass) time.Duration {
	s := &rwlocked{first: 1}
	sum := 0
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		s.mu.RLock()
		sum += s.first
		s.mu.RUnlock()
	}
	took := time.Since(begin)
	checkEqual("rwmutex_read", sum, p.n)
	return took
}

func rwmutexWrite(p *pass) time.Duration {
	s := new(rwlocked)
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		s.mu.Lock()
		s.first++
		s.mu.Unlock()
	}
	took := time.Since(begin)
	checkEqual("rwmutex_write", s.first, p.n)
	return took
}

func once(p *pass) time.Duration {
	o := new(sync.Once)
	count := 0
	fn := func() { count++ }
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		o.Do(fn)
	}
	took := time.Since(begin)
	checkEqual("once", count, 1)
	return took
}

func waitgroup(p *pass) time.Duration {
	wg := new(sync.WaitGroup)
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		wg.Add(1)
		wg.Done()
	}
	took := time.Since(begin)
	wg.Wait()
	return took
}

func semaphoreAlone(p *pass) time.Duration {
	sem := newSemaphore(1)
	count := 0
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		sem.acquire()
		count++
		sem.release()
	}
	took := time.Since(begin)
	checkEqual("semaphore", count, p.n)
	return took
}

// Contended.

func mutexN(p *pass) time.Duration {
	s := &locked{state: 1}
	took := p.together(p.tasks, func(me *member) {
		own := me.own
		for i := 0; i < me.n; i++ {
			begin := me.waits.clock()
			s.mu.Lock()
			end := me.waits.clock()
			s.state = work(s.state)
			s.count++
			s.mu.Unlock()
			own = work(own)
			me.waits.note(end - begin)
		}
		me.own = own
	})
	checkEqual("mutex", s.count, p.n*p.tasks)
	return took
}

func mutexYield(p *pass) time.Duration {
	s := &locked{state: 1}
	took := p.together(p.tasks, func(me *member) {
		own := me.own
		for i := 0; i < me.n; i++ {
			begin := me.waits.clock()
			s.mu.Lock()
			end := me.waits.clock()
			s.state = work(s.state)
			s.count++
			if i%64 == 63 {
				runtime.Gosched()
			}
			s.mu.Unlock()
			own = work(own)
			me.waits.note(end - begin)
		}
		me.own = own
	})
	checkEqual("mutex_yield", s.count, p.n*p.tasks)
	return took
}

func rwmutexN(p *pass) time.Duration {
	s := &rwlocked{state: 1}
	took := p.together(p.tasks, func(me *member) {
		own := me.own
		torn := 0
		for i := 0; i < me.n; i++ {
			var end time.Duration
			begin := me.waits.clock()
			if i%100 == me.index {
				s.mu.Lock()
				end = me.waits.clock()
				s.first++
				s.state = work(s.state)
				s.last++
				s.mu.Unlock()
			} else {
				s.mu.RLock()
				end = me.waits.clock()
				if s.first != s.last {
					torn++
				}
				own ^= work(s.state)
				s.mu.RUnlock()
			}
			own = work(own)
			me.waits.note(end - begin)
		}
		checkEqual("rwmutex: seen while written", torn, 0)
		me.own = own
	})
	writes := 0
	for i := 0; i < p.tasks; i++ {
		writes += (p.n + 99 - i) / 100
	}
	checkEqual("rwmutex: writes", s.last, writes)
	return took
}

func semaphoreN(p *pass) time.Duration {
	sem := newSemaphore(2)
	var inside atomic.Int32
	var count atomic.Int64
	took := p.together(p.tasks, func(me *member) {
		for i := 0; i < me.n; i++ {
			begin := me.waits.clock()
			sem.acquire()
			end := me.waits.clock()
			if inside.Add(1) > 2 {
				checkEqual("semaphore: too many inside", 1, 0)
			}
			runtime.Gosched()
			inside.Add(-1)
			sem.release()
			me.waits.note(end - begin)
		}
		count.Add(int64(me.n))
	})
	checkEqual("semaphore", int(count.Load()), p.n*p.tasks)
	return took
}

// Starting goroutines and waiting for them. A group and a wait group are one thing here.

func fanout(p *pass) time.Duration {
	counts := make([]int, p.tasks)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := 0; i < p.n; i++ {
		wg.Add(p.tasks)
		for k := range counts {
			count := &counts[k]
			go func() {
				defer wg.Done()
				*count++
			}()
		}
		wg.Wait()
	}
	took := time.Since(begin)
	for _, count := range counts {
		checkEqual("fanout", count, p.n)
	}
	return took
}

// Condition variables.

func condPingpong(p *pass) time.Duration {
	var mu sync.Mutex
	turn := [2]*sync.Cond{sync.NewCond(&mu), sync.NewCond(&mu)}
	whose, turns := 0, 0
	took := p.together(p.tasks, func(me *member) {
		for i := 0; i < me.n; i++ {
			mu.Lock()
			for whose != me.index {
				turn[me.index].Wait()
			}
			whose = 1 - me.index
			turns++
			mu.Unlock()
			turn[1-me.index].Signal()
		}
	})
	checkEqual("cond_pingpong", turns, p.n*p.tasks)
	return took
}

// The first calls the steps, the others march.
func condBroadcast(p *pass) time.Duration {
	var mu sync.Mutex
	begin, end := sync.NewCond(&mu), sync.NewCond(&mu)
	round, left, steps := 0, 0, 0
	lead := func(n int) {
		for i := 0; i < n; i++ {
			mu.Lock()
			round++
			left = p.tasks
			mu.Unlock()
			begin.Broadcast()
			mu.Lock()
			for left > 0 {
				end.Wait()
			}
			mu.Unlock()
		}
	}
	march := func(n int) {
		for i := 0; i < n; i++ {
			mu.Lock()
			for round == i {
				begin.Wait()
			}
			steps++
			left--
			last := left == 0
			mu.Unlock()
			if last {
				end.Signal()
			}
		}
	}
	took := p.together(p.tasks+1, func(me *member) {
		if me.index == 0 {
			lead(me.n)
		} else {
			march(me.n)
		}
	})
	checkEqual("cond_broadcast", steps, p.n*p.tasks)
	return took
}

type workload struct {
	name  string
	fn    func(*pass) time.Duration // exits if the result is wrong
	tasks int                       // n * tasks operations make a pass
	waits bool                      // has calls that wait, whose times are of interest
}

var workloads = []workload{
	{"mutex", mutex, 1, false},
	{"rwmutex_read", rwmutexRead, 1, false},
	{"rwmutex_write", rwmutexWrite, 1, false},
	{"once", once, 1, false},
	{"waitgroup", waitgroup, 1, false},
	{"semaphore", semaphoreAlone, 1, false},
	{"mutex_2", mutexN, 2, true},
	{"mutex_8", mutexN, 8, true},
	{"mutex_64", mutexN, 64, true},
	{"mutex_8_yield", mutexYield, 8, true},
	{"rwmutex_2", rwmutexN, 2, true},
	{"rwmutex_8", rwmutexN, 8, true},
	{"rwmutex_64", rwmutexN, 64, true},
	{"semaphore_8", semaphoreN, 8, true},
	{"waitgroup_fanout", fanout, 64, false},
	{"group_fanout", fanout, 64, false},
	{"cond_pingpong", condPingpong, 2, false},
	{"cond_broadcast", condBroadcast, 64, false},
}

// report warms up, measures and prints.
func report(w *workload, workers int) {
	p := &pass{n: 16, tasks: w.tasks}
	took := w.fn(p)
	for took < warm {
		p.n *= 2
		took = w.fn(p)
	}
	for again := true; again; again = took < measure/2 { // the pass before was held up, so that it told of too few rounds
		p.n = int(float64(p.n)*float64(measure)/float64(took)) + 1
		took = w.fn(p)
	}
	ops := p.n * w.tasks
	fmt.Printf(`{"peer":"go","version":%q,"semaphore":%q,"workload":%q,"workers":%d,"ns":%.3f,"ops":%d`,
		runtime.Version(), semaphoreKind, w.name, workers, float64(took)/float64(ops), ops)
	if w.waits {
		p.n = p.n/2 + 1
		p.waits = make([]waits, w.tasks)
		w.fn(p)
		all := new(waits)
		for i := range p.waits {
			all.add(&p.waits[i])
		}
		fmt.Printf(`,"longest_ns":%d,"p999_ns":%d`, all.longest, all.quantile(1000))
	}
	fmt.Println(`,"checked":true}`)
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, w := range workloads {
			fmt.Println(w.name)
		}
		return
	}
	if len(os.Args) == 3 {
		workers, err := strconv.Atoi(os.Args[2])
		for i := range workloads {
			if err == nil && workers > 0 && workloads[i].name == os.Args[1] {
				runtime.GOMAXPROCS(workers)
				report(&workloads[i], workers)
				return
			}
		}
	}
	fmt.Fprintf(os.Stderr, "usage: %s --list | <workload> <workers>\n", os.Args[0])
	os.Exit(2)
}
