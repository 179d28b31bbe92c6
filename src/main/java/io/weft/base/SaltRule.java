package io.weft.base;

/**
 * Which tenant a key belongs to: the {@code cache_salt} of an LMCache object key. The store asks it
 * once for every stored key and keeps usage and quotas by the answer; the empty salt is a tenant of
 * its own.
 */
@FunctionalInterface
public interface SaltRule {
  /** Every key is of the empty salt. */
  SaltRule NONE = key -> "";

  String saltOf(ChunkKey key);
}
