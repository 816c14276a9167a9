package claims

// grouper finds for each edge the turn at which its two ends first are in one
// group (strongly connected component), when each edge appears at a turn of its
// own. It halves the span of turns and sends each edge to the half in which its
// ends meet, joining the groups of the first half before the second is looked
// at. Each edge is looked at once in each of the log(turns) levels; parking one
// claimant at a time and searching again would be quadratic in a large knot.
type grouper struct {
	edges   []edge
	opened  []int32 // by edge: the turn at which it appears
	met     []int32 // by edge: the answer, or never
	never   int32
	groupOf forest
	scratch components
}

// find settles the edges whose ends meet within from to to, both included.
func (g *grouper) find(from, to int32, edges []int32) {
	if len(edges) == 0 {
		return
	}
	if from == to {
		for _, e := range edges {
			g.met[e] = to
			if to < g.never {
				g.groupOf.join(g.edges[e].taker, g.edges[e].holder)
			}
		}
		return
	}
	middle := from + (to-from)/2
	together := g.togetherBy(middle, edges)
	var early, late []int32
	for i, e := range edges {
		if together[i] {
			early = append(early, e)
		} else {
			late = append(late, e)
		}
	}
	g.find(from, middle, early)
	g.find(middle+1, to, late)
}

// togetherBy tells for each edge whether its ends are in one group at the turn.
func (g *grouper) togetherBy(turn int32, edges []int32) []bool {
	g.scratch.reset()
	type ends struct{ from, to int32 }
	nodes := make([]ends, len(edges))
	for i, e := range edges {
		if g.opened[e] > turn {
			continue
		}
		nodes[i] = ends{
			g.scratch.node(g.groupOf.root(g.edges[e].taker)),
			g.scratch.node(g.groupOf.root(g.edges[e].holder)),
		}
		g.scratch.connect(nodes[i].from, nodes[i].to)
	}
	group := g.scratch.groups()
	together := make([]bool, len(edges))
	for i, e := range edges {
		together[i] = g.opened[e] <= turn && group[nodes[i].from] == group[nodes[i].to]
	}
	return together
}

// components finds strongly connected components (Tarjan 1972) of a graph that
// is rebuilt after each reset.
type components struct {
	number map[int32]int32 // by claimant: its node
	next   [][]int32       // by node
}

func (c *components) reset() {
	c.number = map[int32]int32{}
	c.next = c.next[:0]
}

func (c *components) node(claimant int32) int32 {
	n, ok := c.number[claimant]
	if !ok {
		n = int32(len(c.next))
		c.number[claimant] = n
		c.next = append(c.next, nil)
	}
	return n
}

func (c *components) connect(from, to int32) { c.next[from] = append(c.next[from], to) }

// groups numbers the component of each node.
func (c *components) groups() []int32 {
	t := tarjan{
		next:  c.next,
		seen:  make([]int32, len(c.next)),
		low:   make([]int32, len(c.next)),
		group: absent(len(c.next)),
	}
	for n := range c.next {
		if t.seen[n] == 0 {
			t.walk(int32(n))
		}
	}
	return t.group
}

type tarjan struct {
	next  [][]int32
	seen  []int32 // the order in which nodes were reached, from 1; 0: not yet
	low   []int32 // the earliest node on the stack that is known to be reachable
	group []int32
	clock int32
	open  []int32 // reached, and not in a group yet
}

// walk goes depth first from n. Its stack is a slice because a circle may be as
// long as the table.
func (t *tarjan) walk(n int32) {
	type frame struct{ node, edge int32 }
	t.enter(n)
	stack := []frame{{n, 0}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if int(top.edge) < len(t.next[top.node]) {
			to := t.next[top.node][top.edge]
			top.edge++
			switch {
			case t.seen[to] == 0:
				t.enter(to)
				stack = append(stack, frame{to, 0})
			case t.group[to] < 0:
				t.low[top.node] = min(t.low[top.node], t.seen[to])
			}
			continue
		}
		done := top.node
		stack = stack[:len(stack)-1]
		if len(stack) > 0 {
			above := stack[len(stack)-1].node
			t.low[above] = min(t.low[above], t.low[done])
		}
		if t.low[done] == t.seen[done] {
			t.close(done)
		}
	}
}

func (t *tarjan) enter(n int32) {
	t.clock++
	t.seen[n], t.low[n] = t.clock, t.clock
	t.open = append(t.open, n)
}

// close makes a group of what was opened since n.
func (t *tarjan) close(n int32) {
	for {
		last := len(t.open) - 1
		m := t.open[last]
		t.open = t.open[:last]
		t.group[m] = n
		if m == n {
			return
		}
	}
}

// forest joins claimants into groups (union-find with path halving).
type forest []int32

func newForest(n int) forest {
	f := make(forest, n)
	for i := range f {
		f[i] = int32(i)
	}
	return f
}

func (f forest) root(i int32) int32 {
	for f[i] != i {
		f[i] = f[f[i]]
		i = f[i]
	}
	return i
}

func (f forest) join(a, b int32) { f[f.root(a)] = f.root(b) }
