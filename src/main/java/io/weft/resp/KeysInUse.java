package io.weft.resp;

import io.weft.base.ChunkKey;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which keys the commands under way of one connection touch. Commands of one connection run side by
 * side, except where one writes what another touches: then the later one waits, so that a client
 * that sends ahead finds what it would have found had it waited for each reply.
 */
final class KeysInUse {
  private static final int WRITTEN = -1;

  /** By key, how many read it; {@link #WRITTEN} where one writes it. */
  private final Map<ChunkKey, Integer> uses = new HashMap<>();

  private int commands;
  private int writes;
  private int readsOfAll;
  private boolean alone;

  /** Whether a command on these keys may begin. */
  boolean mayBegin(List<ChunkKey> keys, boolean write) {
    if (alone || (write && readsOfAll > 0)) {
      return false;
    }
    for (ChunkKey key : keys) {
      Integer use = uses.get(key);
      if (use != null && (write || use == WRITTEN)) {
        return false;
      }
    }
    return true;
  }

  /** Whether a command on all there is may begin. */
  boolean mayBeginOnAll(boolean write) {
    return !alone && (write ? commands == 0 : writes == 0);
  }

  void begin(List<ChunkKey> keys, boolean write) {
    commands++;
    writes += write ? 1 : 0;
    for (ChunkKey key : keys) {
      uses.merge(key, write ? WRITTEN : 1, (was, more) -> write ? WRITTEN : was + more);
    }
  }

  void end(List<ChunkKey> keys, boolean write) {
    commands--;
    writes -= write ? 1 : 0;
    for (ChunkKey key : keys) {
      uses.computeIfPresent(key, (_, use) -> write || use == 1 ? null : use - 1);
    }
  }

  /** A command that reads all there is. */
  void beginOnAll() {
    commands++;
    readsOfAll++;
  }

  void endOnAll() {
    commands--;
    readsOfAll--;
  }

  /** Whether a command runs that nothing may run beside. */
  boolean isAlone() {
    return alone;
  }

  /** A command that nothing may run beside. */
  void beginAlone() {
    alone = true;
    commands++;
  }

  void endAlone() {
    alone = false;
    commands--;
  }
}
