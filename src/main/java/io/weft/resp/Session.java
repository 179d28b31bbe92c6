package io.weft.resp;

import io.weft.base.RespSettings;
import java.util.Optional;

/** Who a connection belongs to, and how it is spoken to. Used in the connection's turn only. */
final class Session {
  final long id;
  final String peer;
  private final RespSettings.Listener listener;
  private final boolean open;

  String name = "";
  boolean resp3;
  private Optional<RespSettings.User> user = Optional.empty();
  private boolean known;

  /** Whether the connection has kept to what LMCache's C++ client sends. */
  private boolean plain = true;

  /**
   * @param open whether nobody has to say who he is
   */
  Session(long id, String peer, RespSettings.Listener listener, boolean open) {
    this.id = id;
    this.peer = peer;
    this.listener = listener;
    this.open = open;
    this.known = open;
  }

  boolean known() {
    return known;
  }

  void login(RespSettings.User who) {
    user = Optional.of(who);
    known = true;
  }

  String userName() {
    return user.map(RespSettings.User::name).orElse("default");
  }

  /** As if the connection had just been made. */
  void reset() {
    user = Optional.empty();
    known = open;
    resp3 = false;
    name = "";
  }

  /** The connection has sent something that LMCache's C++ client does not send. */
  void notPlain() {
    plain = false;
  }

  /** Whether GET, SET, EXISTS and DEL get no errors. */
  boolean lenient() {
    return switch (user.flatMap(RespSettings.User::profile).orElse(listener.profile())) {
      case AUTO -> plain;
      case LMCACHE -> true;
      case REDIS -> false;
    };
  }
}
