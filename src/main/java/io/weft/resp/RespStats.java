package io.weft.resp;

import java.util.concurrent.atomic.LongAdder;

/** What the door counts. Thread-safe. */
public final class RespStats {
  final LongAdder connectionsAccepted = new LongAdder();
  final LongAdder connectionsRefused = new LongAdder();
  final LongAdder connectionsCut = new LongAdder();
  final LongAdder commands = new LongAdder();
  final LongAdder errors = new LongAdder();
  final LongAdder storesDropped = new LongAdder();
  final LongAdder hits = new LongAdder();
  final LongAdder misses = new LongAdder();
  final LongAdder bytesIn = new LongAdder();
  final LongAdder bytesOut = new LongAdder();

  /** Chunks that could not be stored, and whose SET was answered OK all the same. */
  public long storesDropped() {
    return storesDropped.sum();
  }

  /** Commands taken. */
  public long commands() {
    return commands.sum();
  }

  /** Connections closed because a value or a reply did not get on. */
  public long connectionsCut() {
    return connectionsCut.sum();
  }
}
