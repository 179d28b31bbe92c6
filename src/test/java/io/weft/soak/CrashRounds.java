package io.weft.soak;

import com.fasterxml.jackson.databind.JsonNode;
import io.weft.api.ChunkStore;
import io.weft.api.LoadTarget;
import io.weft.api.StoreProtocol;
import io.weft.api.StoreStatus;
import io.weft.base.ChunkKey;
import io.weft.base.Deadline;
import io.weft.base.LoadOutcome;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opentest4j.TestAbortedException;

/**
 * Kills a storing process with SIGKILL, again and again on one directory, and asks for every chunk
 * that was acknowledged after each kill: it is there, in that value or one that was stored later.
 * Kills of a process spare what the kernel has, so this holds for every durability; they take
 * turns.
 *
 * <p>A deleted chunk may be back after a kill (docs/decisions.md): it is counted.
 */
public final class CrashRounds {
  private static final long DISK_BYTES = 320L << 20;
  private static final int MOST_STORES = 250;
  private static final int PROGRESS_ROUNDS = 10;
  private static final List<String> DURABILITIES = List.of("relaxed", "full");
  private static final String ROW = "%-10s %-6s %8s %8s %13s %9s %6s %6s %12s %8s %11s%n";

  /** Where the store is, how chunks lie there, and how often its process is killed. */
  record Plan(String filesystem, String layout, int rounds, long seed) {}

  private final Plan plan;
  private final Path directory;
  private final Path log;
  private final Random random;

  /** The number of each key's value; what a delete may have taken is not in it. */
  private final Map<String, Long> acknowledged = new TreeMap<>();

  private final List<String> broken = new ArrayList<>();
  private final int[] kills = new int[DURABILITIES.size()];
  private long stores;
  private long lost;
  private long older;
  private long wrong;
  private long later;
  private long deletedAndBack;
  private long unfinished;

  private CrashRounds(Plan plan, Path directory, Path log) {
    this.plan = plan;
    this.directory = directory;
    this.log = log;
    this.random = new Random(plan.seed());
  }

  /** Arguments: rounds, seed, filesystems and layouts, each list separated by commas. */
  public static void main(String[] args) throws Exception {
    header(System.out);
    boolean kept = true;
    boolean any = false;
    for (String filesystem : args[2].split(",", -1)) {
      for (String layout : args[3].split(",", -1)) {
        Plan plan =
            new Plan(filesystem, layout, Integer.parseInt(args[0]), Long.parseLong(args[1]));
        try {
          kept &= run(plan, System.out).isEmpty();
          any = true;
        } catch (TestAbortedException cannot) {
          System.out.printf("%-10s %-6s left out: %s%n", filesystem, layout, cannot.getMessage());
        }
      }
    }
    System.exit(kept && any ? 0 : 1);
  }

  static void header(PrintStream out) {
    out.printf(
        ROW,
        "filesystem",
        "layout",
        "relaxed",
        "full",
        "acknowledged",
        "lost",
        "older",
        "wrong",
        "in flight,",
        "deleted,",
        "unfinished");
    out.printf(
        ROW, "", "", "kills", "kills", "stores", "", "", "bytes", "yet there", "and back", "files");
  }

  /** Runs one plan, prints its line, and returns which promises were broken. */
  static List<String> run(Plan plan, PrintStream out)
      throws IOException, InterruptedException, ExecutionException {
    Path work = Files.createTempDirectory("weft-crash");
    try (LoopMount mount = mount(plan.filesystem())) {
      Path directory = mount == null ? work.resolve("store") : mount.directory();
      CrashRounds rounds = new CrashRounds(plan, directory, work.resolve("host.log"));
      for (int round = 1; round <= plan.rounds(); round++) {
        rounds.round(round);
        if (round % PROGRESS_ROUNDS == 0) {
          rounds.print(System.err);
        }
      }
      rounds.print(out);
      return rounds.broken;
    } finally {
      try (Stream<Path> files = Files.walk(work)) {
        for (Path file : files.sorted(Collections.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private static @Nullable LoopMount mount(String filesystem) {
    return switch (filesystem) {
      case "directory" -> null;
      case "ext4" -> LoopMount.ext4(DISK_BYTES);
      case "xfs" -> LoopMount.xfs(DISK_BYTES);
      default -> throw new IllegalArgumentException("which filesystem is " + filesystem + "?");
    };
  }

  private void round(int round) throws IOException, InterruptedException, ExecutionException {
    int durability = (round - 1) % DURABILITIES.size();
    String where = "%s, round %d".formatted(plan, round);
    for (String line : storeUntilKilled(DURABILITIES.get(durability), round)) {
      take(line, where);
    }
    kills[durability]++;

    JsonNode dead = Verified.of(directory);
    if (dead.at("/files/wrong").asInt() + dead.at("/files/unreadable").asInt() > 0) {
      breaks(where, "a kill left wrong chunks: " + dead);
    }
    unfinished += dead.at("/files/staging").asInt();
    loadEverything(where);
    JsonNode after = Verified.of(directory);
    if (after.at("/files/staging").asInt() > 0) {
      breaks(where, "a start left unfinished files: " + after);
    }
  }

  /** Returns what the process had said. */
  private Queue<String> storeUntilKilled(String durability, int round) throws InterruptedException {
    Queue<String> lines = new ConcurrentLinkedQueue<>();
    CountDownLatch enough = new CountDownLatch(1 + random.nextInt(MOST_STORES));
    try (HostProcess host =
        new HostProcess(
            CrashHost.class,
            List.of("-Xmx128m", "-XX:TieredStopAtLevel=1"),
            log,
            line -> {
              lines.add(line);
              enough.countDown();
            },
            directory,
            mode(),
            plan.layout(),
            durability,
            round,
            plan.seed())) {
      if (!enough.await(10, TimeUnit.MINUTES)) {
        throw new IllegalStateException("it stores nothing any more: " + lines.size() + " lines");
      }
      if (!host.alive()) {
        throw new IllegalStateException("it ended by itself: " + lines);
      }
      host.kill();
    }
    return lines;
  }

  private String mode() {
    return plan.filesystem().equals("directory") ? "directory" : "mount";
  }

  private void take(String line, String where) {
    String[] words = line.split(" ", 3);
    switch (words[0]) {
      case "stored" -> {
        // The kill may have cut the last line off.
        if (words.length == 3) {
          stores++;
          acknowledged.put(words[1], Long.parseLong(words[2]));
        }
      }
      case "deleting" -> acknowledged.put(words[1], Values.NONE);
      default -> breaks(where, line);
    }
  }

  private void loadEverything(String where)
      throws InterruptedException, ExecutionException, IOException {
    try (ChunkStore store =
        ChunkStore.start(CrashHost.config(directory, mode(), plan.layout(), "relaxed"))) {
      StoreStatus status = store.ready().toCompletableFuture().get();
      if (!status.serving()) {
        throw new IOException(where + ": " + status);
      }
      for (Map.Entry<String, Long> each : acknowledged.entrySet()) {
        each.setValue(load(store, each.getKey(), each.getValue(), where));
      }
    }
  }

  /** Judges what is there of a key; returns the number of its value. */
  private long load(ChunkStore store, String name, long expected, String where)
      throws InterruptedException, ExecutionException {
    ChunkKey key = ChunkKey.of(name);
    LoadOutcome outcome =
        store
            .load(
                key,
                LoadTarget.lease(),
                StoreProtocol.Urgency.LOAD,
                Deadline.in(Duration.ofMinutes(5)))
            .toCompletableFuture()
            .get();
    if (!(outcome instanceof LoadOutcome.Leased(var lease))) {
      if (expected != Values.NONE || !(outcome instanceof LoadOutcome.Miss)) {
        lost++;
        breaks(where, "%s was acknowledged as %x: %s".formatted(name, expected, outcome));
      }
      return Values.NONE;
    }
    try (lease) {
      long found = Values.read(key, lease.memory(), CrashHost.LONGEST);
      if (found == Values.NONE) {
        wrong++;
        breaks(where, name + " has wrong bytes");
      } else if (expected == Values.NONE) {
        deletedAndBack++;
      } else if (found < expected) {
        older++;
        breaks(where, "%s was acknowledged as %x, and is %x".formatted(name, expected, found));
      } else if (found > expected) {
        later++;
      }
      return found;
    }
  }

  private void breaks(String where, String what) {
    broken.add(where + ": " + what);
  }

  private void print(PrintStream out) {
    out.printf(
        ROW,
        plan.filesystem(),
        plan.layout(),
        kills[0],
        kills[1],
        stores,
        lost,
        older,
        wrong,
        later,
        deletedAndBack,
        unfinished);
    broken.stream().limit(20).forEach(each -> out.println("BROKEN: " + each));
  }
}
