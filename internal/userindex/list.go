package userindex

import "iter"

// list grows by chunks: nothing in it is copied again and again, and left to the
// garbage collector, as it would be in a slice that outgrows its room.
type list[T any] struct{ chunks [][]T }

// listChunk is how much a chunk holds, a multiple of Batch. The first one grows, so
// that a short list takes little.
const listChunk = 1 << 14

func (l *list[T]) len() int {
	last := len(l.chunks) - 1
	if last < 0 {
		return 0
	}
	return last*listChunk + len(l.chunks[last])
}

func (l *list[T]) add(v T) {
	last := len(l.chunks) - 1
	if l.len() == (last+1)*listChunk {
		last++
		l.chunks = append(l.chunks, make([]T, 0, min(last, 1)*listChunk))
	}
	l.chunks[last] = append(l.chunks[last], v)
}

func (l *list[T]) at(i int) T { return l.chunks[i/listChunk][i%listChunk] }

// from returns up to n of them from i on: one at least, if there is any.
func (l *list[T]) from(i, n int) []T {
	rest := l.chunks[i/listChunk][i%listChunk:]
	return rest[:min(n, len(rest))]
}

// all goes through the list in order.
func (l *list[T]) all() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for c, chunk := range l.chunks {
			for i, v := range chunk {
				if !yield(c*listChunk+i, v) {
					return
				}
			}
		}
	}
}
