package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The bounds of jobs.
const (
	maxJobs     = 4  // that run at once
	maxJobsKept = 12 // that are shown, with those that have ended
	jobTold     = 200 * time.Millisecond
)

// jobs is work that goes on after its form was answered: pages show how far it has come.
type jobs struct {
	console *Console

	mu     sync.Mutex
	last   int    // guarded by mu, as are kept and closed
	kept   []*job // the newest first
	closed bool
	wg     sync.WaitGroup
}

// A job is one piece of such work; what changes is guarded by jobs.mu.
type job struct {
	id           int
	verb, target string
	begun, ended time.Time
	done, of     int64
	words        string
	err          error
	stop         context.CancelFunc
	told         time.Time
}

// A jobView is a job as a page shows it.
type jobView struct {
	ID           int
	Verb, Target string
	Done, Of     int64
	Percent      int
	Words, Error string
	Running      bool
	Took         string
}

// progress tells how far a job has come.
type progress func(done, of int64, words string)

// start begins a job, whose outcome is told to the trail. Work returns how many it changed.
func (j *jobs) start(ctx context.Context, r *http.Request, verb, operation, target string, work func(ctx context.Context, tell progress) (changed int64, err error)) error {
	c := j.console
	change := c.by(r, operation, target, 0, nil)
	j.mu.Lock()
	defer j.mu.Unlock()
	running := 0
	for _, one := range j.kept {
		if one.ended.IsZero() {
			running++
		}
		if one.ended.IsZero() && one.verb == verb && one.target == target {
			return problem{fmt.Sprintf("%s of %s is under way already.", verb, target), "Wait until it has ended, or stop it."}
		}
	}
	if running >= maxJobs || j.closed {
		return problem{fmt.Sprintf("%d pieces of work are under way, as many as may be.", running), "Wait until one has ended, or stop one."}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	j.last++
	one := &job{id: j.last, verb: verb, target: target, begun: time.Now(), stop: stop}
	j.kept = slices.Insert(j.kept, 0, one)
	if len(j.kept) > maxJobsKept {
		for i, old := range slices.Backward(j.kept) { // more are kept than may run
			if !old.ended.IsZero() {
				j.kept = slices.Delete(j.kept, i, i+1)
				break
			}
		}
	}
	j.wg.Go(func() {
		defer stop()
		changed, err := work(ctx, func(done, of int64, words string) { j.tell(one, done, of, words) })
		j.mu.Lock()
		one.ended, one.err = time.Now(), err
		j.mu.Unlock()
		change.Count, change.Err = int(changed), err
		c.opt.OnChange(context.WithoutCancel(ctx), change)
		c.live.Changed("jobs", "figures")
	})
	return nil
}

func (j *jobs) tell(one *job, done, of int64, words string) {
	j.mu.Lock()
	one.done, one.of, one.words = done, of, words
	now := time.Now()
	due := now.Sub(one.told) >= jobTold
	if due {
		one.told = now
	}
	j.mu.Unlock()
	if due {
		j.console.live.Changed("jobs")
	}
}

// end stops all jobs and waits until they have ended.
func (j *jobs) end() {
	j.mu.Lock()
	j.closed = true
	for _, one := range j.kept {
		one.stop()
	}
	j.mu.Unlock()
	j.wg.Wait()
}

// list shows the jobs, the newest first.
func (j *jobs) list() []jobView {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]jobView, len(j.kept))
	for i, one := range j.kept {
		v := jobView{ID: one.id, Verb: one.verb, Target: one.target, Done: one.done, Of: max(one.of, one.done), Words: one.words, Running: one.ended.IsZero()}
		if v.Of > 0 {
			v.Percent = int(100 * v.Done / v.Of)
		}
		if one.err != nil {
			v.Error = one.err.Error()
		}
		v.Took = cmp.Or(one.ended, time.Now()).Sub(one.begun).Round(100 * time.Millisecond).String()
		list[i] = v
	}
	return list
}

func (c *Console) showJobs(w http.ResponseWriter, r *http.Request) {
	c.site.Part(w, r, "jobs.part", view{Jobs: c.jobs.list()})
}

// stopJob ends a job between two steps: what was done stays done.
func (c *Console) stopJob(r *http.Request) (string, error) {
	id, err := strconv.Atoi(r.PostFormValue("job"))
	if err != nil {
		return "", problem{"No piece of work is named.", "Load the page again."}
	}
	c.jobs.mu.Lock()
	defer c.jobs.mu.Unlock()
	for _, one := range c.jobs.kept {
		if one.id == id {
			one.stop()
			return "/", nil
		}
	}
	return "", problem{"That piece of work has ended.", ""}
}
