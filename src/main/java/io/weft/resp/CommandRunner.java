package io.weft.resp;

import io.weft.api.LoadTarget;
import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.api.StoreProtocol;
import io.weft.base.ByteSize;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.Chunks;
import io.weft.base.Deadline;
import io.weft.base.ExpireOutcome;
import io.weft.base.Failed;
import io.weft.base.KeysOutcome;
import io.weft.base.KeysPage;
import io.weft.base.LoadOutcome;
import io.weft.base.Rejected;
import io.weft.base.StatOutcome;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/**
 * Runs the commands of one connection against the store.
 *
 * <p>To LMCache's C++ client (a <em>lenient</em> session) GET, SET, EXISTS and DEL are never
 * answered with an error, because it would read the error's bytes as part of later replies: what
 * cannot be read is a miss, and a chunk that cannot be stored is dropped, counted and acknowledged.
 */
final class CommandRunner {
  private static final int LOADS_OF_A_GET = 3;
  private static final int NAMES_BYTES_MAX = 64 << 20;
  private static final int PAGE = 1_000;
  private static final int PAGE_MAX = 10_000;

  private final Connection connection;
  private final Door door;
  private final Session session;
  private final ReplyLine replies;
  private final KeysInUse inUse;
  private final AboutCommands about;

  /** How long the last value was that was loaded. */
  private long lastLength;

  /** The MSET whose values are coming in. */
  private @Nullable ManyStores many;

  CommandRunner(Connection connection) {
    this.connection = connection;
    this.door = connection.door;
    this.session = connection.session;
    this.replies = connection.replies;
    this.inUse = connection.inUse;
    this.about = new AboutCommands(connection);
  }

  // ---------------------------------------------------------------- values

  /** Why the value of this header is not to be kept; null where it is. */
  @Nullable ByteString refusal(RespDecoder.Step.Value header) {
    if (!session.known()) {
      return Errors.NOAUTH;
    }
    Optional<ChunkKey> key = Connection.key(header.arguments().getLast());
    if (key.isEmpty()) {
      return Errors.invalid(
          "a key has from %d to %d bytes".formatted(ChunkKey.MIN_BYTES, ChunkKey.MAX_BYTES));
    }
    long most = door.valueBytesMax();
    return header.length() <= most
        ? null
        : Errors.invalid(
            "a value has at most %s here: see weft.max-chunk and weft.io.lease-pool"
                .formatted(new ByteSize(most)));
  }

  /** Whether memory may be taken for the value: not before an earlier write of its key is done. */
  boolean mayPlace(RespDecoder.Step.Value header) {
    return Commands.of(header.arguments().getFirst()) != Commands.MSET
        || inUse.mayBegin(List.of(keyBefore(header.arguments())), true);
  }

  /** Takes a value that is stored before its command is whole; false for others. */
  boolean takeValue(List<byte[]> arguments, Connection.Value value) {
    if (Commands.of(arguments.getFirst()) != Commands.MSET) {
      return false;
    }
    if (many == null) {
      many = new ManyStores();
    }
    ManyStores stores = many;
    switch (value) {
      case Connection.Value.ThrownAway(ByteString why) -> stores.failed(why);
      case Connection.Value.There there -> {
        stores.left++;
        store(
            keyBefore(arguments),
            there,
            StoreOptions.DEFAULT.withMode(StoreMode.REPLACE),
            outcome -> stores.done(outcome));
      }
    }
    return true;
  }

  private static ChunkKey keyBefore(List<byte[]> arguments) {
    return ChunkKey.of(arguments.getLast());
  }

  /** The stores of one MSET: each for itself, not all or none. */
  private final class ManyStores {
    private int left;
    private @Nullable ByteString failure;
    private ReplyLine.@Nullable Slot slot;

    void done(StoreOutcome outcome) {
      left--;
      ByteString error = storeError(outcome);
      if (error != null) {
        failed(error);
      }
      answerWhenDone();
    }

    void failed(ByteString why) {
      failure = failure == null ? why : failure;
    }

    void allSent(ReplyLine.Slot place) {
      slot = place;
      answerWhenDone();
    }

    private void answerWhenDone() {
      if (slot != null && left == 0) {
        slot.ready(failure == null ? RespWriter.OK : error(failure));
      }
    }
  }

  // ---------------------------------------------------------------- commands

  /** Runs a command; false where it has to wait for one before it, and nothing was done. */
  boolean run(RespDecoder.Step.Request request, List<Connection.Value> values) {
    List<byte[]> arguments = request.arguments();
    Commands command = Commands.of(arguments.getFirst());
    if (command == null) {
      if (Commands.isHttp(arguments.getFirst())) {
        var done = answered(values, error(Errors.HTTP));
        connection.closeAfterReplies();
        return done;
      }
      session.notPlain();
      return answered(
          values, error(session.known() ? Errors.unknownCommand(arguments) : Errors.NOAUTH));
    }
    if (!session.known() && !command.flags.contains("no_auth")) {
      return answered(values, error(Errors.NOAUTH));
    }
    boolean plain = isPlain(command, arguments.size());
    if (!command.takes(arguments.size())
        || (command == Commands.MSET && arguments.size() % 2 == 0)) {
      session.notPlain();
      return answered(values, error(Errors.arity(command)));
    }
    if (request.tooLong()) {
      return answered(
          values, plain && session.lenient() ? nothing(command) : error(Errors.ARGUMENT_TOO_LONG));
    }
    if (!mayBegin(command, arguments)) {
      return false;
    }
    door.stats.commands.increment();
    if (!plain) {
      session.notPlain();
    }
    switch (command) {
      case GET -> get(arguments.get(1));
      case SET -> set(arguments, values.getFirst());
      case EXISTS -> exists(keys(arguments));
      case DEL, UNLINK -> delete(keys(arguments));
      case MGET -> getAll(arguments.subList(1, arguments.size()));
      case MSET -> setAll();
      case STRLEN ->
          stat(arguments.get(1), RespWriter.ZERO, present -> RespWriter.number(present.length()));
      case TYPE ->
          stat(
              arguments.get(1),
              new RespWriter(false).simple("none").done(),
              _ -> new RespWriter(false).simple("string").done());
      case TTL -> stat(arguments.get(1), RespWriter.number(-2), present -> ttl(present, 1_000));
      case PTTL -> stat(arguments.get(1), RespWriter.number(-2), present -> ttl(present, 1));
      case EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT -> expire(command, arguments);
      case PERSIST -> persist(arguments.get(1));
      case SCAN -> scan(arguments);
      case KEYS -> listKeys(new Glob(arguments.get(1)));
      case DBSIZE -> reply(door.store.usage(), usage -> RespWriter.number(usage.chunks()));
      case FLUSHDB, FLUSHALL -> flush(arguments);
      case MEMORY -> memoryUsage(arguments);
      case AUTH, CLIENT, COMMAND, CONFIG, ECHO, HELLO, INFO, PING, QUIT, RESET, SELECT ->
          about.run(command, arguments);
    }
    return true;
  }

  /** What LMCache's C++ client sends. */
  private static boolean isPlain(Commands command, int arguments) {
    return switch (command) {
      case AUTH -> true;
      case GET, EXISTS, DEL -> arguments == 2;
      case SET -> arguments == 3;
      default -> false;
    };
  }

  /** The answer to a plain command that did nothing. */
  private ByteString nothing(Commands command) {
    return switch (command) {
      case SET -> {
        door.stats.storesDropped.increment();
        yield RespWriter.OK;
      }
      case GET -> nil();
      default -> RespWriter.ZERO;
    };
  }

  /** Ends a command that is not carried out. */
  private boolean answered(List<Connection.Value> values, ByteString reply) {
    door.stats.commands.increment();
    Connection.giveBack(values);
    many = null;
    connection.reply(reply);
    return true;
  }

  private boolean mayBegin(Commands command, List<byte[]> arguments) {
    return switch (command) {
      // Who the client is, and how it is spoken to, is settled before the next command.
      case AUTH, HELLO, RESET, QUIT, SELECT, FLUSHDB, FLUSHALL -> inUse.mayBeginOnAll(true);
      // Lists of names lie on the heap: one at a time.
      case SCAN, KEYS -> inUse.mayBeginOnAll(true);
      case DBSIZE, INFO -> inUse.mayBeginOnAll(false);
      case MSET -> true;
      case CLIENT, COMMAND, CONFIG, ECHO, PING -> inUse.mayBegin(List.of(), false);
      case MEMORY -> inUse.mayBegin(keys(arguments.subList(1, arguments.size())), false);
      case GET, MGET, EXISTS, STRLEN, TYPE, TTL, PTTL -> inUse.mayBegin(keys(arguments), false);
      case SET, DEL, UNLINK, EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, PERSIST ->
          inUse.mayBegin(
              command == Commands.DEL || command == Commands.UNLINK
                  ? keys(arguments)
                  : keys(arguments.subList(0, 2)),
              true);
    };
  }

  /** The arguments behind the verb that can be keys. */
  private static List<ChunkKey> keys(List<byte[]> arguments) {
    List<ChunkKey> keys = new ArrayList<>(arguments.size() - 1);
    for (byte[] argument : arguments.subList(1, arguments.size())) {
      Connection.key(argument).ifPresent(keys::add);
    }
    return keys;
  }

  private ByteString nil() {
    return RespWriter.nil(session.resp3);
  }

  private ByteString error(ByteString error) {
    door.stats.errors.increment();
    return error;
  }

  /** One reply, when the store has answered what was asked about all keys. */
  private <T> void reply(CompletionStage<T> stage, Function<T, ByteString> text) {
    inUse.beginOnAll();
    ReplyLine.Slot slot = replies.slot();
    connection.await(
        stage,
        outcome -> {
          inUse.endOnAll();
          slot.ready(text.apply(outcome));
        });
  }

  /** The same, for a command on keys. */
  private <T> void reply(
      List<ChunkKey> keys, boolean write, CompletionStage<T> stage, Function<T, ByteString> text) {
    inUse.begin(keys, write);
    ReplyLine.Slot slot = replies.slot();
    connection.await(
        stage,
        outcome -> {
          inUse.end(keys, write);
          slot.ready(text.apply(outcome));
        });
  }

  // ---------------------------------------------------------------- GET and MGET

  private void get(byte[] name) {
    Optional<ChunkKey> key = Connection.key(name);
    boolean oneByOne = connection.sendsOneByOne();
    ReplyLine.Slot slot = replies.slot();
    if (key.isEmpty()) {
      door.stats.misses.increment();
      slot.ready(nil());
    } else {
      new Get(key.get(), slot, session.lenient(), oneByOne).begin();
    }
  }

  private void getAll(List<byte[]> names) {
    connection.reply(new RespWriter(session.resp3).array(names.size()).done());
    connection.inParts(
        names.stream()
            .<Runnable>map(
                name ->
                    () -> {
                      ReplyLine.Slot slot = replies.slot();
                      Connection.key(name)
                          .ifPresentOrElse(
                              key -> new Get(key, slot, true, false).begin(),
                              () -> slot.ready(nil()));
                    })
            .iterator());
  }

  /**
   * One value on its way out: how long is it, memory for it, its bytes. Memory is taken in the
   * order of the commands, and the header of the reply is made when all bytes are there and
   * verified.
   *
   * <p>Where the client waits for this reply alone, the question for the length is spared: a
   * client's chunks are mostly of one size, so memory is taken for one as long as the last. Where
   * the value is longer, the store says so without touching the device. Until the store has
   * answered, nobody behind gets memory: he might hold what this one then waits for.
   */
  private final class Get {
    private final ChunkKey key;
    private final ReplyLine.Slot slot;
    private final boolean noErrors;
    private final Deadline deadline = connection.deadline();
    private final boolean guesses;
    private final ValueMemory.Want want;
    private int loads;

    /**
     * @param guesses whether the length is taken from the last value
     */
    Get(ChunkKey key, ReplyLine.Slot slot, boolean noErrors, boolean guesses) {
      this.key = key;
      this.slot = slot;
      this.noErrors = noErrors;
      this.guesses = guesses;
      this.want = connection.memory().want(deadline.nanos());
    }

    void begin() {
      inUse.begin(List.of(key), false);
      if (guesses) {
        take(want, lastLength);
      } else {
        connection.await(door.store.stat(List.of(key), deadline), this::measured);
      }
    }

    private void measured(List<StatOutcome> outcomes) {
      switch (outcomes.getFirst()) {
        case StatOutcome.Present present -> take(want, present.length());
        case StatOutcome.Absent _ -> {
          want.nothing();
          miss();
        }
        case Rejected rejected -> {
          want.nothing();
          trouble(Errors.rejected(rejected));
        }
        case Failed failed -> {
          want.nothing();
          trouble(Errors.failed(failed));
        }
      }
    }

    private void take(ValueMemory.Want place, long length) {
      if (length > door.valueBytesMax()) {
        place.nothing();
        trouble(
            Errors.invalid(
                "the value has %s, more than weft.io.lease-pool lends at once"
                    .formatted(new ByteSize(length))));
        return;
      }
      place.need(
          length,
          held -> {
            if (held == null) {
              trouble(RespWriter.error("TRYAGAIN no memory for the value was free in time"));
            } else {
              load(held);
            }
          });
    }

    private void load(ValueMemory.Held held) {
      if (guesses) {
        connection.memory().pause();
      }
      loads++;
      LoadTarget target = LoadTarget.into(held.whole());
      connection.<LoadOutcome>ask(
          replyTo -> door.store.load(key, target, StoreProtocol.Urgency.LOAD, deadline, replyTo),
          outcome -> {
            loaded(held, target, outcome);
            if (guesses) {
              connection.memory().resume();
            }
          },
          _ -> release(held, target));
    }

    private void loaded(ValueMemory.Held held, LoadTarget target, LoadOutcome outcome) {
      if (outcome instanceof LoadOutcome.Loaded(long length)) {
        door.stats.hits.increment();
        lastLength = length;
        inUse.end(List.of(key), false);
        slot.ready(held, length);
        return;
      }
      release(held, target);
      switch (outcome) {
        case LoadOutcome.Loaded _, LoadOutcome.Leased _ ->
            throw new IllegalStateException("no lease was asked for");
        case LoadOutcome.Miss _ -> miss();
        case LoadOutcome.TooSmall(long needed) -> takeMore(needed);
        case Rejected rejected -> trouble(Errors.rejected(rejected));
        case Failed failed -> trouble(Errors.failed(failed));
      }
    }

    /** The guess was too short, or the value was replaced by a longer one. */
    private void takeMore(long needed) {
      if (loads == LOADS_OF_A_GET) {
        trouble(RespWriter.error("TRYAGAIN the value changes too fast"));
      } else {
        take(connection.memory().wantFirst(deadline.nanos()), needed);
      }
    }

    /** The memory goes back when the kernel is done with it, which may be later than the answer. */
    private void release(ValueMemory.Held held, LoadTarget target) {
      var _ = target.released().thenRun(held::release);
    }

    private void miss() {
      door.stats.misses.increment();
      inUse.end(List.of(key), false);
      slot.ready(nil());
    }

    private void trouble(ByteString error) {
      if (noErrors) {
        miss();
      } else {
        inUse.end(List.of(key), false);
        slot.ready(error(error));
      }
    }
  }

  // ---------------------------------------------------------------- SET and MSET

  private void set(List<byte[]> arguments, Connection.Value value) {
    ReplyLine.Slot slot = replies.slot();
    boolean lenient = session.lenient();
    switch (value) {
      case Connection.Value.ThrownAway(ByteString why) ->
          slot.ready(lenient ? nothing(Commands.SET) : error(why));
      case Connection.Value.There there -> {
        SetOptions options = SetOptions.parse(arguments, door.ticker.epochMillis());
        ByteString wrong = options.wrong();
        if (wrong != null) {
          there.memory().release();
          slot.ready(error(wrong));
          return;
        }
        store(
            ChunkKey.of(arguments.get(1)),
            there,
            new StoreOptions(options.mode(), options.expiresAtMillis(), ChunkMetadata.EMPTY),
            outcome -> slot.ready(stored(outcome, lenient)));
      }
    }
  }

  private ByteString stored(StoreOutcome outcome, boolean lenient) {
    return switch (outcome) {
      case StoreOutcome.Stored _ -> RespWriter.OK;
      // NX and XX: the condition did not hold.
      case StoreOutcome.AlreadyStored _, StoreOutcome.NotPresent _ -> nil();
      case Rejected rejected -> notStored(Errors.rejected(rejected), lenient);
      case Failed failed -> notStored(Errors.failed(failed), lenient);
    };
  }

  private ByteString notStored(ByteString why, boolean lenient) {
    return lenient ? nothing(Commands.SET) : error(why);
  }

  private static @Nullable ByteString storeError(StoreOutcome outcome) {
    return switch (outcome) {
      case StoreOutcome.Stored _, StoreOutcome.AlreadyStored _, StoreOutcome.NotPresent _ -> null;
      case Rejected rejected -> Errors.rejected(rejected);
      case Failed failed -> Errors.failed(failed);
    };
  }

  private void store(
      ChunkKey key,
      Connection.Value.There value,
      StoreOptions options,
      Consumer<StoreOutcome> then) {
    List<ChunkKey> keys = List.of(key);
    inUse.begin(keys, true);
    Payload payload = Payload.of(value.memory().handOver());
    var _ = payload.released().thenRun(value.memory()::permitsBack);
    connection.<StoreOutcome>ask(
        replyTo -> door.store.store(key, payload, options, connection.deadline(), replyTo),
        outcome -> {
          inUse.end(keys, true);
          then.accept(outcome);
        });
  }

  private void setAll() {
    ManyStores stores = many;
    many = null;
    if (stores == null) {
      throw new IllegalStateException("an MSET without a value");
    }
    stores.allSent(replies.slot());
  }

  // ---------------------------------------------------------------- keys

  private void exists(List<ChunkKey> keys) {
    count(StoreProtocol.KeyOperation.LOOKUP, keys, false);
  }

  /** A key that is locked or pinned stays, and is not counted. */
  private void delete(List<ChunkKey> keys) {
    count(StoreProtocol.KeyOperation.DELETE, keys, true);
  }

  private void count(StoreProtocol.KeyOperation operation, List<ChunkKey> keys, boolean write) {
    boolean lenient = session.lenient();
    inUse.begin(keys, write);
    ReplyLine.Slot slot = replies.slot();
    connection.<KeysOutcome>ask(
        replyTo -> door.store.keys(operation, keys, connection.deadline(), replyTo),
        outcome -> {
          inUse.end(keys, write);
          slot.ready(count(outcome, lenient));
        });
  }

  private ByteString count(KeysOutcome outcome, boolean lenient) {
    return switch (outcome) {
      case KeysOutcome.Done done -> RespWriter.number(done.hits().cardinality());
      case Rejected rejected -> lenient ? RespWriter.ZERO : error(Errors.rejected(rejected));
      case Failed failed -> lenient ? RespWriter.ZERO : error(Errors.failed(failed));
    };
  }

  private void stat(
      byte[] name, ByteString absent, Function<StatOutcome.Present, ByteString> present) {
    Optional<ChunkKey> key = Connection.key(name);
    if (key.isEmpty()) {
      connection.reply(absent);
      return;
    }
    reply(
        List.of(key.get()),
        false,
        door.store.stat(List.of(key.get()), connection.deadline()),
        outcomes -> stat(outcomes.getFirst(), absent, present));
  }

  private ByteString stat(
      StatOutcome outcome, ByteString absent, Function<StatOutcome.Present, ByteString> present) {
    return switch (outcome) {
      case StatOutcome.Present there -> present.apply(there);
      case StatOutcome.Absent _ -> absent;
      case Rejected rejected -> error(Errors.rejected(rejected));
      case Failed failed -> error(Errors.failed(failed));
    };
  }

  private ByteString ttl(StatOutcome.Present present, long unit) {
    if (present.expiresAtMillis() == Chunks.NEVER) {
      return RespWriter.number(-1);
    }
    long left = Math.max(0, present.expiresAtMillis() - door.ticker.epochMillis());
    return RespWriter.number((left + unit / 2) / unit);
  }

  private void memoryUsage(List<byte[]> arguments) {
    if (!Commands.upper(arguments.get(1)).equals("USAGE")) {
      connection.reply(error(Errors.unknownSubcommand(Commands.MEMORY, arguments.get(1))));
    } else if (arguments.size() != 3 && arguments.size() != 5) {
      connection.reply(error(Errors.arity(Commands.MEMORY, "usage")));
    } else {
      stat(arguments.get(2), nil(), present -> RespWriter.number(present.physicalBytes()));
    }
  }

  // ---------------------------------------------------------------- expiry

  private void expire(Commands command, List<byte[]> arguments) {
    if (arguments.size() > 3) {
      connection.reply(
          error(
              Errors.invalid(
                  "Unsupported option "
                      + new String(arguments.get(3), StandardCharsets.ISO_8859_1))));
      return;
    }
    Long time = SetOptions.number(arguments.get(2));
    if (time == null) {
      connection.reply(error(Errors.NOT_AN_INTEGER));
      return;
    }
    long now = door.ticker.epochMillis();
    long unit = command == Commands.EXPIRE || command == Commands.EXPIREAT ? 1_000 : 1;
    long from = command == Commands.EXPIRE || command == Commands.PEXPIRE ? now : 0;
    long at = SetOptions.at(from, time, unit);
    if (at == SetOptions.OUT_OF_RANGE) {
      connection.reply(error(Errors.expireTime(command)));
      return;
    }
    Optional<ChunkKey> key = Connection.key(arguments.get(1));
    if (key.isEmpty()) {
      connection.reply(RespWriter.ZERO);
    } else if (at <= now) {
      delete(List.of(key.get()));
    } else {
      expire(key.get(), at);
    }
  }

  private void expire(ChunkKey key, long at) {
    reply(
        List.of(key),
        true,
        door.store.expire(List.of(key), at, connection.deadline()),
        outcomes -> expired(outcomes.getFirst()));
  }

  private ByteString expired(ExpireOutcome outcome) {
    return switch (outcome) {
      case ExpireOutcome.Changed _ -> RespWriter.ONE;
      case ExpireOutcome.Absent _ -> RespWriter.ZERO;
      case Rejected rejected -> error(Errors.rejected(rejected));
      case Failed failed -> error(Errors.failed(failed));
    };
  }

  private void persist(byte[] name) {
    Optional<ChunkKey> named = Connection.key(name);
    if (named.isEmpty()) {
      connection.reply(RespWriter.ZERO);
      return;
    }
    List<ChunkKey> key = List.of(named.get());
    inUse.begin(key, true);
    ReplyLine.Slot slot = replies.slot();
    Deadline deadline = connection.deadline();
    connection.await(
        door.store.stat(key, deadline),
        outcomes -> {
          if (outcomes.getFirst() instanceof StatOutcome.Present present
              && present.expiresAtMillis() != Chunks.NEVER) {
            connection.await(
                door.store.expire(key, Chunks.NEVER, deadline),
                changed -> {
                  inUse.end(key, true);
                  slot.ready(expired(changed.getFirst()));
                });
          } else {
            inUse.end(key, true);
            slot.ready(stat(outcomes.getFirst(), RespWriter.ZERO, _ -> RespWriter.ZERO));
          }
        });
  }

  // ---------------------------------------------------------------- all keys

  private void scan(List<byte[]> arguments) {
    Long cursor = SetOptions.number(arguments.get(1));
    if (cursor == null || cursor < 0) {
      connection.reply(error(Errors.INVALID_CURSOR));
      return;
    }
    Map<String, byte[]> options = new HashMap<>();
    for (int i = 2; i < arguments.size(); i += 2) {
      String option = Commands.upper(arguments.get(i));
      if (i + 1 == arguments.size() || !List.of("MATCH", "COUNT", "TYPE").contains(option)) {
        connection.reply(error(Errors.SYNTAX));
        return;
      }
      options.put(option, arguments.get(i + 1));
    }
    byte[] counted = options.get("COUNT");
    Long count = counted == null ? Long.valueOf(10) : SetOptions.number(counted);
    if (count == null) {
      connection.reply(error(Errors.NOT_AN_INTEGER));
      return;
    }
    if (count < 1) {
      connection.reply(error(Errors.SYNTAX));
      return;
    }
    byte[] type = options.get("TYPE");
    boolean none = type != null && !Commands.upper(type).equals("STRING");
    byte[] pattern = options.get("MATCH");
    Glob glob = new Glob(pattern == null ? new byte[] {'*'} : pattern);
    alone(
        () ->
            door.store.list(
                prefix(glob), cursor, (int) Math.min(count, PAGE_MAX), connection.deadline()),
        outcome ->
            switch (outcome) {
              case KeysPage page -> {
                List<byte[]> names = none ? List.of() : matching(page, glob);
                RespWriter writer = new RespWriter(session.resp3).array(2);
                writer.bulk(page.last() ? "0" : Long.toString(page.nextCursor()));
                writer.array(names.size());
                names.forEach(writer::bulk);
                yield writer.done();
              }
              case Rejected rejected -> error(Errors.rejected(rejected));
              case Failed failed -> error(Errors.failed(failed));
            });
  }

  /** The index looks for a prefix of text; any other pattern is looked for in all keys. */
  private static String prefix(Glob glob) {
    byte[] prefix = glob.prefix();
    for (byte value : prefix) {
      if (value < 0) {
        return "";
      }
    }
    return new String(prefix, StandardCharsets.US_ASCII);
  }

  private static List<byte[]> matching(KeysPage page, Glob glob) {
    List<byte[]> names = new ArrayList<>();
    for (KeysPage.ListedKey listed : page.keys()) {
      byte[] name = listed.key().toBytes();
      if (glob.matches(name)) {
        names.add(name);
      }
    }
    return names;
  }

  private void listKeys(Glob glob) {
    inUse.beginAlone();
    new Listing(glob, replies.slot()).page(KeysPage.START);
  }

  /** A KEYS under way, page by page. */
  private final class Listing {
    private final Glob glob;
    private final ReplyLine.Slot slot;
    private final Deadline deadline = connection.deadline();
    private final List<byte[]> names = new ArrayList<>();
    private long bytes;

    Listing(Glob glob, ReplyLine.Slot slot) {
      this.glob = glob;
      this.slot = slot;
    }

    void page(long cursor) {
      connection.await(
          door.store.list(prefix(glob), cursor, PAGE, deadline),
          outcome -> {
            switch (outcome) {
              case KeysPage page -> take(page);
              case Rejected rejected -> end(error(Errors.rejected(rejected)));
              case Failed failed -> end(error(Errors.failed(failed)));
            }
          });
    }

    private void end(ByteString reply) {
      inUse.endAlone();
      slot.ready(reply);
    }

    private void take(KeysPage page) {
      for (byte[] name : matching(page, glob)) {
        names.add(name);
        bytes += name.length;
      }
      if (bytes > NAMES_BYTES_MAX) {
        end(error(Errors.invalid("too many keys for one reply: use SCAN")));
      } else if (page.last()) {
        RespWriter writer = new RespWriter(session.resp3).array(names.size());
        names.forEach(writer::bulk);
        end(writer.done());
      } else {
        page(page.nextCursor());
      }
    }
  }

  private void flush(List<byte[]> arguments) {
    if (arguments.size() > 2
        || (arguments.size() == 2
            && !List.of("ASYNC", "SYNC").contains(Commands.upper(arguments.get(1))))) {
      connection.reply(error(Errors.SYNTAX));
      return;
    }
    alone(
        () -> door.store.deleteAll(connection.deadline()),
        reply ->
            reply.done()
                ? RespWriter.OK
                : error(
                    RespWriter.error("TRYAGAIN the deadline came before the last chunk was gone")));
  }

  /** A command that nothing of this connection runs beside. */
  private <T> void alone(Supplier<CompletionStage<T>> call, Function<T, ByteString> text) {
    inUse.beginAlone();
    ReplyLine.Slot slot = replies.slot();
    connection.await(
        call.get(),
        outcome -> {
          inUse.endAlone();
          slot.ready(text.apply(outcome));
        });
  }
}
