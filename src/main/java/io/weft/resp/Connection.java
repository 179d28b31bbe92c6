package io.weft.resp;

import io.weft.api.ReplyTo;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.RespSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * One client: what it sends becomes commands, commands become replies in their order. Plain state
 * without threads or I/O: {@link ConnectionStage} brings bytes and takes bytes, {@link Turns}
 * brings what the store answers. Everything happens in the connection's turn.
 *
 * <p>The client is read on only while there is room: for replies that are owed ({@code
 * weft.resp.pipeline}) and for the memory of values ({@link ValueMemory}). Where there is none,
 * nothing more is read from the socket and the client feels it.
 */
final class Connection {

  /** What became of a value that a client sent. */
  sealed interface Value {
    /** It is there. */
    record There(ValueMemory.Held memory, long length) implements Value {}

    /** It was read and thrown away. */
    record ThrownAway(ByteString why) implements Value {}
  }

  private static final long NANOS_A_SECOND = 1_000_000_000L;

  /** Replies on the heap that may wait for the client, before no more commands are read. */
  private static final long REPLY_BYTES_MAX = 1 << 20;

  /** The part of a client's time after which memory is taken back that others wait for. */
  private static final int WAITED_FOR = 10;

  final Door door;
  final Session session;
  final ReplyLine replies = new ReplyLine();
  final KeysInUse inUse = new KeysInUse();
  private final ValueMemory memory;
  private final CommandRunner runner;
  private final Turns turns;

  private final RespInput input = new RespInput();
  private final RespDecoder decoder = new RespDecoder();

  /** The values of the command that is being read. */
  private List<Value> values = new ArrayList<>();

  /** A value's header was read, and it has no place yet. */
  private RespDecoder.Step.@Nullable Value undecided;

  private boolean waitsForMemory;
  private ValueMemory.@Nullable Held filling;

  /** When the command that holds memory for a value must be there. */
  private long wholeBefore;

  private @Nullable ByteString throwingAway;

  /** A command that waits for those before it. */
  private RespDecoder.Step.@Nullable Request waiting;

  /** What is left of a command that is answered in parts. */
  private @Nullable Iterator<Runnable> parts;

  /** Commands that are not done; replies may be owed without, and the other way round. */
  private int underWay;

  /** There is nothing to do with what came so far. */
  private boolean hungry = true;

  private long hungrySince;

  private boolean inputEnded;
  private boolean closing;
  private boolean gone;
  private boolean running;

  /** When the socket last took something, while replies are ready. */
  private long writableSince;

  Connection(Door door, RespSettings.Listener listener, String peer, Turns turns) {
    this.door = door;
    this.turns = turns;
    this.session = new Session(door.ids.incrementAndGet(), peer, listener, door.users.isEmpty());
    this.memory =
        new ValueMemory(
            door.store, door.permits, door.settings.connectionBytes(), turns, door.ticker);
    this.runner = new CommandRunner(this);
    decoder.known(session.known());
  }

  // ---------------------------------------------------------------- from and to the socket

  void received(ByteString bytes) {
    door.stats.bytesIn.add(bytes.size());
    if (!closing) {
      hungry = false;
      input.add(bytes);
      run();
    }
  }

  /** The client sends nothing more; what it has sent is answered. */
  void inputEnded() {
    inputEnded = true;
    run();
  }

  /** No more commands: those that were read are answered, then the connection ends. */
  void drain() {
    closing = true;
    run();
  }

  /** Whether the connection has use for more bytes. */
  boolean wantsInput() {
    return hungry && !inputEnded && !closing;
  }

  /** The next bytes for the socket; null where there are none yet. */
  @Nullable ByteString output() {
    ByteString bytes = replies.next();
    if (bytes != null) {
      writableSince = door.ticker.nanoTime();
      door.stats.bytesOut.add(bytes.size());
      // There is room for more replies.
      run();
    }
    return bytes;
  }

  /** Whether all is answered that will ever be asked. */
  boolean finished() {
    return replies.isEmpty()
        && underWay == 0
        && parts == null
        && waiting == null
        && (closing || (inputEnded && undecided == null));
  }

  /**
   * Looks at what takes time.
   *
   * @param blocked whether the socket takes nothing
   * @return why the connection is to be closed; null where it is well
   */
  @Nullable String tick(boolean blocked) {
    memory.tick();
    long now = door.ticker.nanoTime();
    if (holdsHalfACommand()) {
      if (now - wholeBefore >= 0) {
        return "a command with a value was not sent to its end in time";
      }
      if (hungry && keepsOthersWaiting(now - hungrySince, door.settings.valueTimeout())) {
        return "nothing comes of a value, and others wait for the memory that it holds";
      }
    }
    if (!blocked || replies.isEmpty()) {
      writableSince = now;
    } else if (now - writableSince >= door.settings.writeTimeout().toNanos()) {
      return "replies are not read";
    } else if (keepsOthersWaiting(now - writableSince, door.settings.writeTimeout())) {
      return "replies are not read, and others wait for the memory that they hold";
    }
    run();
    return null;
  }

  /**
   * Clients that do nothing may hold all the memory there is: others must not wait for them.
   *
   * @param idleNanos for how long it has been the client's turn
   * @param timeout after which the connection is closed in any case
   */
  private boolean keepsOthersWaiting(long idleNanos, Duration timeout) {
    // Before those who wait give up, also where the client has much time.
    long enough =
        Math.min(timeout.toNanos() / WAITED_FOR, door.store.requestTimeout().toNanos() / 2);
    return Math.min(idleNanos, memory.othersWaitNanos()) >= enough;
  }

  /** Whether memory is held for a command whose end the client has not sent. */
  private boolean holdsHalfACommand() {
    return filling != null
        || (waiting == null && !values.isEmpty() && values.getFirst() instanceof Value.There);
  }

  /** The connection is gone: whatever memory it holds goes back now, or when the store is done. */
  void close() {
    gone = true;
    closing = true;
    memory.close();
    replies.close();
    if (filling != null) {
      filling.release();
      filling = null;
    }
    giveBack(values);
    values = new ArrayList<>();
    input.clear();
  }

  static void giveBack(List<Value> values) {
    for (Value value : values) {
      if (value instanceof Value.There(ValueMemory.Held held, long _)) {
        held.release();
      }
    }
  }

  // ---------------------------------------------------------------- reading

  /** Goes on with whatever can go on. */
  private void run() {
    if (running || gone) {
      return;
    }
    running = true;
    try {
      while (!gone && goOn()) {}
    } finally {
      running = false;
    }
  }

  private boolean goOn() {
    Iterator<Runnable> left = parts;
    if (left != null) {
      if (!left.hasNext()) {
        parts = null;
        return true;
      }
      if (owesEnough()) {
        return false;
      }
      left.next().run();
      return true;
    }
    RespDecoder.Step.Request late = waiting;
    if (late != null) {
      return begin(late);
    }
    RespDecoder.Step.Value header = undecided;
    if (header != null) {
      return !waitsForMemory && place(header);
    }
    // What is not settled yet (who the client is) decides how the next command is read.
    if (closing || inUse.isAlone() || owesEnough()) {
      return false;
    }
    return switch (decoder.next(input)) {
      case RespDecoder.Step.More _ -> {
        if (!hungry) {
          hungry = true;
          hungrySince = door.ticker.nanoTime();
        }
        yield false;
      }
      case RespDecoder.Step.Value value -> {
        undecided = value;
        yield true;
      }
      case RespDecoder.Step.ValueEnded ended -> {
        valueEnded(ended);
        yield true;
      }
      case RespDecoder.Step.Request request -> begin(request);
      case RespDecoder.Step.Broken(String text) -> {
        reply(RespWriter.error("ERR " + text));
        closeAfterReplies();
        yield false;
      }
    };
  }

  /** Whether the client is to read replies first. */
  private boolean owesEnough() {
    return replies.size() >= door.settings.pipeline() || replies.heapBytes() >= REPLY_BYTES_MAX;
  }

  private boolean begin(RespDecoder.Step.Request request) {
    if (!runner.run(request, values)) {
      waiting = request;
      return false;
    }
    waiting = null;
    values = new ArrayList<>();
    return true;
  }

  /** Finds a place for a value, or none. False where it has to wait. */
  private boolean place(RespDecoder.Step.Value header) {
    ByteString refusal = runner.refusal(header);
    if (refusal != null) {
      throwAway(refusal);
      return true;
    }
    if (!runner.mayPlace(header)) {
      return false;
    }
    waitsForMemory = true;
    memory
        .want(deadline().nanos())
        .need(
            header.length(),
            held -> {
              waitsForMemory = false;
              if (held == null) {
                throwAway(RespWriter.error("TRYAGAIN no memory for the value was free in time"));
              } else {
                fill(header, held);
              }
              run();
            });
    return !waitsForMemory;
  }

  private void fill(RespDecoder.Step.Value header, ValueMemory.Held held) {
    undecided = null;
    filling = held;
    wholeBefore =
        door.ticker.nanoTime()
            + door.settings.valueTimeout().toNanos()
            + (header.length() >> 20) * NANOS_A_SECOND;
    decoder.into(held.whole().asSlice(0, header.length()));
  }

  private void throwAway(ByteString why) {
    undecided = null;
    throwingAway = why;
    decoder.drain();
  }

  private void valueEnded(RespDecoder.Step.ValueEnded ended) {
    ValueMemory.Held held = filling;
    ByteString why = throwingAway;
    Value value;
    if (held != null) {
      filling = null;
      value = new Value.There(held, ended.length());
    } else if (why != null) {
      throwingAway = null;
      value = new Value.ThrownAway(why);
    } else {
      throw new IllegalStateException("a value ended that had not begun");
    }
    if (!runner.takeValue(ended.arguments(), value)) {
      values.add(value);
    }
  }

  // ---------------------------------------------------------------- for commands

  void reply(ByteString reply) {
    replies.ready(reply);
  }

  /** The rest of a command, part by part, each with one reply; nothing else is read meanwhile. */
  void inParts(Iterator<Runnable> rest) {
    parts = rest;
  }

  /** No more commands; the connection ends when all replies are sent. */
  void closeAfterReplies() {
    closing = true;
    input.clear();
  }

  void loggedIn() {
    decoder.known(session.known());
  }

  Deadline deadline() {
    return Deadline.in(door.store.requestTimeout(), door.ticker);
  }

  ValueMemory memory() {
    return memory;
  }

  /** Whether the client waits for this one reply, as far as is known. */
  boolean sendsOneByOne() {
    return replies.isEmpty() && !memory.isWaiting() && input.available() == 0;
  }

  /** A question to the store, whose answer goes to the given place. */
  interface Question<T> {
    void ask(ReplyTo<T> replyTo);
  }

  /**
   * Asks the store.
   *
   * @param inTurn takes the answer in the connection's turn
   * @param gone takes it where the connection is gone, on any thread
   */
  <T> void ask(Question<T> question, Consumer<T> inTurn, Consumer<T> gone) {
    underWay++;
    question.ask(
        answer ->
            turns.later(
                () -> {
                  underWay--;
                  inTurn.accept(answer);
                  run();
                },
                () -> gone.accept(answer)));
  }

  <T> void ask(Question<T> question, Consumer<T> inTurn) {
    ask(question, inTurn, _ -> {});
  }

  /** Waits for a stage, which never fails. */
  <T> void await(CompletionStage<T> stage, Consumer<T> inTurn) {
    ask(replyTo -> stage.thenAccept(replyTo::reply), inTurn);
  }

  /** A key, where the bytes can be one. */
  static Optional<ChunkKey> key(byte[] bytes) {
    return bytes.length < ChunkKey.MIN_BYTES || bytes.length > ChunkKey.MAX_BYTES
        ? Optional.empty()
        : Optional.of(ChunkKey.of(bytes));
  }
}
