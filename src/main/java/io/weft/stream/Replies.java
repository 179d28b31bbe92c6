package io.weft.stream;

import io.weft.api.ReplyTo;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends answers into a host's code: whatever that throws is the host's, and stays with it. */
public final class Replies {
  private static final Logger LOG = LoggerFactory.getLogger(Replies.class);

  private Replies() {}

  public static <R> void send(ReplyTo<? super R> replyTo, R reply) {
    try {
      replyTo.reply(reply);
    } catch (RuntimeException hosts) {
      LOG.error("an answer's receiver failed", hosts);
    }
  }
}
