//go:build chansemaphore

package main

// Where golang.org/x/sync cannot be fetched: what is commonly written with the standard library alone.

const semaphoreKind = "channel"

type permits chan struct{}

func newSemaphore(n int) permits {
	return make(permits, n)
}

func (p permits) acquire() {
	p <- struct{}{}
}

func (p permits) release() {
	<-p
}
