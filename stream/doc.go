// Package stream has streams of values that are still to come, and pipelines of them.
//
// # Which one
//
//   - [FutureStream] where values go from those who have them to those who want them, and
//     end: one writer says that all is said, or what went wrong, and all readers learn it
//     behind the last value.
//   - A queue of package queue where there is no such end: work for whoever is free, both
//     ends in use, non-waiting calls, items that are handed back.
//   - A channel where goroutines select over several of them, and nothing is a task.
//   - An iter.Seq where the values are there already, or can be computed.
//   - A pipeline, a [Stream], where the values of any of these are changed, picked,
//     gathered, and used, and waiting, errors, cancellation and early ends are to be right
//     on the way.
//
// # Pipelines
//
// A source makes a Stream, an operator makes one of another, and a sink runs it:
//
//	lines := stream.Filter(source, notEmpty)
//	sums := stream.Map(lines, checksum)
//	err := stream.ForEach(ctx, stream.Batch(sums, 100, time.Second), store)
//
//	Sources:   From, FromAll, FromSlice, FromQueue, FromChan, a *FutureStream; Generate,
//	           Tick; FromReader, Lines
//	Operators: Map, Filter, FlatMap, Concat, Scan, Take, TakeWhile, Until, Skip,
//	           SkipWhile, Distinct, DistinctBy, Window, Pairwise, Batch by number,
//	           Throttle, RateLimit, Retry, Catch
//	  that run the stages before on a task: Batch by time, Buffer, Debounce, Timeout
//	  on several: MapN, Merge, Zip, CombineLatest
//	  in one run for several sinks: Share, Tee
//	Sinks:     ForEach, Fold, Count, First, Last, ReadAll, ReadAllString, ReadAllBytes,
//	           All, ToChan, ToWriter; and Open
//
// These are the rules.
//
// Who owns whom. Sources and operators only describe. They start nothing, wait for nothing
// and take no ctx. A sink runs the whole of its pipeline inside the call, and owns all that
// it starts: when the sink returns, no stage is left, whatever the reason. [Open] alone
// hands its caller a pipeline that runs, together with the task to end it by. What is before
// a [Share] or [Tee] is owned by all its sinks together: the last to return ends it, and waits
// for that; one that returns before leaves it to the others. What a source
// opens it closes in the same run; a reader, writer or channel that it was given stays its
// caller's, and open. What a stage counts or remembers belongs to the run: the next one
// begins anew.
//
// Where it runs. The stages run where the sink was called, each value going through all of
// them before the next is taken, without a buffer, a task or an allocation between them.
// Only a stage whose doc says so has the stages before it run on a task of their own: by
// core.Start under the ctx of the sink, so that it is a task of the same dispatcher in a
// task, and a goroutine elsewhere. A function given to a stage is called by one caller at a
// time, but for that of [MapN], and waits with the ctx it is given. A task of a stage is
// canceled when nobody wants its values any more, and always waited for. Readers, writers
// and files know no ctx: a task calls them by core.Blocking, off the loop, and such a call is
// waited for, also when the ctx ends. In a task, a pipeline of which no stage ever waits has the
// loop for itself until it ends: let one of them call core.Yield now and then.
//
// Buffers. There are none but those of a FutureStream, of the size it was made with, and
// those that an operator's doc names, with their size. A slow sink so holds up its source,
// but where values are dropped by [Buffer], [Debounce] and [Throttle], as their docs say.
//
// Time is that of the dispatcher in a task, and of package time elsewhere. A timer is there
// only while a stage waits.
//
// Errors travel in order, and once: the values before an error are dealt with first, then
// the sink returns it. Nothing comes after an error. It is the error that was given, not
// wrapped. Where streams come together, the first error is that of all: the others are
// canceled.
//
// Early end. A function that returns [ErrStop] ends the stream at its place, as Take and
// TakeWhile do when they have enough. The stages before it stop, and take nothing more from
// the source: the rest stays there, but for what a buffer of a stage has collected. Those
// behind it see an end like any other. In a stream that [FlatMap] has from its function
// this ends that one stream. A source that fails with ErrStop fails: it is an error then.
// [Until] ends the stream at its place from outside, while the stages before it wait, too.
//
// Cancellation. The ctx of the sink reaches every wait of every stage and of the source;
// what does not wait looks at it between two values. A cancel does not travel in order. It
// ends everything at once, what is in the buffers of stages is dropped, and the sink
// returns ctx.Err(), unless the stream ended well at the very value that was under way, or
// a function of a stage, or the source, has made an error of its own of it, such as the *url.Error
// of a request: that may be what the sink returns then. A done ctx takes nothing from the source.
//
// Panics. A panic in a stage leaves the sink once all is ended: with its own value, or as a
// *core.PanicError if it came from a stage on a task of its own, or from off the loop. The
// tasks that were beside it are canceled. A Goexit of a stage on a task of its own is the error
// core.ErrGoexit.
//
// A nil stream, function, queue, bucket, reader or writer panics in the call that is given it. Only what is a
// choice of its own may be nil: a channel, a slice, and the stream that a function returns to FlatMap or Catch.
package stream
