package io.weft.api;

import org.apache.pekko.actor.typed.ActorRef;

/**
 * Where the one answer of a request goes: an actor, or anything that takes a value. A hot path puts
 * a completion here directly and spares the actor that {@code ask} makes for every call.
 *
 * <p>Called exactly once, on a thread of the store: what it does must be short and must not block.
 */
@FunctionalInterface
public interface ReplyTo<R> {
  void reply(R reply);

  /** The answer is sent to {@code actor} as a message. */
  static <R> ReplyTo<R> actor(ActorRef<? super R> actor) {
    return actor::tell;
  }

  /** Nobody waits for the answer. */
  static <R> ReplyTo<R> nobody() {
    return reply -> {};
  }
}
