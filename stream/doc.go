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
//	Sources:   From, FromQueue, a *FutureStream
//	Operators: Map, Filter, Batch
//	Sinks:     ForEach, ReadAll, ReadAllString, ReadAllBytes, All; and Open
//
// These are the rules.
//
// Who owns whom. Sources and operators only describe. They start nothing, wait for nothing
// and take no ctx. A sink runs the whole of its pipeline inside the call, and owns all that
// it starts: when the sink returns, no stage is left, whatever the reason. [Open] alone
// hands its caller a pipeline that runs, together with the task to end it by.
//
// Where it runs. The stages run where the sink was called, each value going through all of
// them before the next is taken, without a buffer, a task or an allocation between them.
// Only a stage whose doc says so has the stages before it run on a task of their own: by
// core.Start under the ctx of the sink, so that it is a task of the same dispatcher in a
// task, and a goroutine elsewhere. A function given to a stage is called by one caller at a
// time, and waits with the ctx it is given.
//
// Buffers. There are none but those of a FutureStream, of the size it was made with, and
// those that an operator's doc names, with their size. A slow sink so holds up its source.
//
// Errors travel in order, and once: the values before an error are dealt with first, then
// the sink returns it. Nothing comes after an error. It is the error that was given, not
// wrapped.
//
// Early end. A function that returns [ErrStop] ends the stream at its place. The stages
// before it stop, and take nothing more from the source: the rest stays there, but for what
// a buffer of a stage has collected. Those behind it see an end like any other.
//
// Cancellation. The ctx of the sink reaches every wait of every stage and of the source;
// what does not wait looks at it between two values. A cancel does not travel in order. It
// ends everything at once, what is in the buffers of stages is dropped, and the sink
// returns ctx.Err(). A done ctx takes nothing from the source.
//
// Panics. A panic in a stage leaves the sink once all is ended: with its own value, or as a
// *core.PanicError if it came from a stage on a task of its own.
package stream
