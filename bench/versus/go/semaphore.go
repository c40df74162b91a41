//go:build !chansemaphore

package main

import (
	"context"

	"golang.org/x/sync/semaphore"
)

const semaphoreKind = "golang.org/x/sync/semaphore"

type permits struct{ w *semaphore.Weighted }

func newSemaphore(n int) permits {
	return permits{semaphore.NewWeighted(int64(n))}
}

func (p permits) acquire() {
	if err := p.w.Acquire(context.Background(), 1); err != nil {
		panic(err)
	}
}

func (p permits) release() {
	p.w.Release(1)
}
