package io.weft.cli.bench;

import java.io.IOException;
import java.util.List;

/**
 * Somebody who stores and loads chunks. Used by one thread at a time; what it runs may have threads
 * of its own. {@link #prepare} may be called again after {@link #close}.
 */
public interface Contender extends AutoCloseable {

  /** How the table calls it. */
  String name();

  /** Whether it can be made to do that, and it says something. */
  boolean runs(Workload workload, int chunkBytes);

  /**
   * Operations in flight that are worth trying; a single one where there is nothing to choose; none
   * for as many as the limit.
   */
  List<Integer> depths();

  /** Makes room for chunks, and holds none. */
  void prepare(Space space) throws Exception;

  /** Gives every chunk up. */
  void empty() throws Exception;

  /**
   * Runs a script, so many operations in flight at most, and measures it.
   *
   * @param equipment memory for at least {@code depth} operations
   */
  Measurement measure(Workload workload, Script script, int depth, Equipment equipment)
      throws Exception;

  /** Gives everything back that {@link #prepare} made, but for the directory. Idempotent. */
  @Override
  void close() throws IOException;
}
