package io.weft.base;

import org.jspecify.annotations.Nullable;

/** The store took the request and could not do it. */
public record Failed(Cause cause, String detail, @Nullable DeviceException error)
    implements StoreOutcome, LoadOutcome, StatOutcome, ExpireOutcome, KeysOutcome, ListOutcome {

  /** What stopped it. */
  public enum Cause {
    /** The deadline passed first. A store may still publish later, never over a newer chunk. */
    DEADLINE,
    /** The device answered with an error; {@link Failed#error()} holds it. */
    DEVICE,
    /** The filesystem had no room although the store's own capacity did. */
    NO_SPACE,
    /** A part of the store was restarted while it held the request. */
    RESTARTED,
    /** The store was closed before the request was done. */
    CLOSED,
    /** A bug of the store. */
    INTERNAL
  }

  public static Failed deadline() {
    return new Failed(Cause.DEADLINE, "the deadline passed", null);
  }

  public static Failed device(DeviceException error) {
    Cause cause = error.kind() == DeviceException.Kind.NO_SPACE ? Cause.NO_SPACE : Cause.DEVICE;
    return new Failed(cause, String.valueOf(error.getMessage()), error);
  }
}
