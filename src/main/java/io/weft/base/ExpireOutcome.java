package io.weft.base;

/** What became of a change of expiry. */
public sealed interface ExpireOutcome
    permits ExpireOutcome.Changed, ExpireOutcome.Absent, Rejected, Failed {

  /** The new expiry holds, on the device too. */
  record Changed() implements ExpireOutcome {}

  /** There is no such chunk. */
  record Absent() implements ExpireOutcome {}
}
