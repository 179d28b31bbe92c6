package io.weft.soak;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.weft.testing.LoopMount;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.jspecify.annotations.Nullable;
import org.opentest4j.TestAbortedException;

/**
 * A trace's requests against a real store in a process of its own, for a time, while device,
 * filesystem and process fail in every way that can be had here; then {@code weft verify}. What was
 * promised is judged all the way: see {@link SoakClients} and {@link SoakHost}.
 *
 * <p>As root on an ext4 of its own, else in a plain directory with fewer faults. The seed decides
 * which faults come in which order and what the clients ask for, not how it interleaves.
 */
public final class Soak {
  private static final long DISK_BYTES = 192L << 20;
  private static final int BLOCK = 4096;
  private static final long HEAP_GROWTH_BYTES = 64 << 20;
  private static final Duration RECOVERY = Duration.ofSeconds(90);

  /** A JVM and its warm-up, on a machine that has other things to do: no promise of the store's. */
  private static final Duration STARTING = Duration.ofMinutes(5);

  private static final int NAMED = 20;
  private static final int LOG_LINES = 300;

  /** What is done to the store. */
  enum Fault {
    FREEZE(true, "filesystem frozen for a while"),
    FILL(true, "filesystem filled up by others, and emptied"),
    READ_ONLY(true, "remounted read-only, and back"),
    DAMAGE(true, "kernel finds the filesystem damaged; fsck, mounted again"),
    DETACH(true, "unmounted lazily, mounted again"),
    FLIP(false, "bit of a published chunk flipped"),
    KILL(false, "process killed, started again"),
    INDEX(false, "bug in the index"),
    RESTART(false, "store closed in order, opened again");

    final boolean needsMount;
    final String words;

    Fault(boolean needsMount, String words) {
      this.needsMount = needsMount;
      this.words = words;
    }
  }

  /**
   * @param layout as weft.layout has it
   * @param pauseMillis the longest pause between two faults
   * @param faultMillis the longest that a fault lasts
   */
  record Plan(int seconds, long seed, String layout, int pauseMillis, int faultMillis) {}

  private final long begun = System.nanoTime();

  private final Plan plan;
  private final PrintStream out;
  private final Random random;
  private final @Nullable LoopMount mount;
  private final Path directory;
  private final Path log;
  private final Deque<Fault> next = new ArrayDeque<>();
  private final Map<Fault, Integer> injected = new EnumMap<>(Fault.class);
  private final ObjectMapper mapper = new ObjectMapper();
  private final Queue<String> broken = new ConcurrentLinkedQueue<>();
  private final Queue<String> done = new ConcurrentLinkedQueue<>();
  private final Map<String, Long> counts = new TreeMap<>();
  private int flips;
  private int refusedReadOnly;
  private int processes;
  private HostProcess host;
  private long latestMillis = Long.MIN_VALUE;
  private long residentBytes;
  private long heapGrowthBytes;

  /** What the process of now has said last; null before. */
  private volatile @Nullable JsonNode said;

  private Soak(Plan plan, @Nullable LoopMount mount, Path directory, Path log, PrintStream out) {
    this.plan = plan;
    this.mount = mount;
    this.directory = directory;
    this.log = log;
    this.out = out;
    this.random = new Random(plan.seed());
  }

  public static void main(String[] args) throws IOException {
    int seconds = 60;
    long seed = 1;
    List<String> layouts = List.of("file", "slab");
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--seed" -> seed = Long.parseLong(args[++i]);
        case "--layout" -> layouts = List.of(args[++i].replace("files", "file"));
        default -> seconds = Integer.parseInt(args[i]);
      }
    }
    boolean kept = true;
    for (String layout : layouts) {
      kept &= run(new Plan(seconds / layouts.size(), seed, layout, 3_000, 3_000), System.out);
    }
    System.exit(kept ? 0 : 1);
  }

  /**
   * Runs for the time, and until each fault has come once, and prints what came of it.
   *
   * @return whether every promise was kept
   */
  static boolean run(Plan plan, PrintStream out) throws IOException {
    Path work = Files.createTempDirectory("weft-soak");
    Path log = work.resolve("host.log");
    try (LoopMount mount = mount()) {
      Path directory = mount == null ? work.resolve("store") : mount.directory();
      out.printf(
          "soak of %d s, layout %s, %s, seed %d%n",
          plan.seconds(),
          plan.layout(),
          mount == null
              ? "a plain directory (no root, or no loop device: the filesystem's faults are left"
                  + " out)"
              : "ext4 on a loop device",
          plan.seed());
      boolean kept = false;
      try {
        kept = new Soak(plan, mount, directory, log, out).run();
      } finally {
        if (!kept && Files.exists(log)) {
          print(log, out);
        }
      }
      return kept;
    } finally {
      try (Stream<Path> files = Files.walk(work)) {
        for (Path file : files.sorted(Collections.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /** What the processes said on their standard error, the last of it where it is much. */
  private static void print(Path log, PrintStream out) throws IOException {
    // A killed process may have left half a character.
    List<String> lines = new String(Files.readAllBytes(log), UTF_8).lines().toList();
    lines.subList(Math.max(0, lines.size() - LOG_LINES), lines.size()).forEach(out::println);
  }

  private static @Nullable LoopMount mount() {
    try {
      return LoopMount.ext4(DISK_BYTES, "-e", "remount-ro");
    } catch (TestAbortedException cannot) {
      return null;
    }
  }

  private boolean run() throws IOException {
    startHost();
    try {
      awaitUp("the start");
      long end = System.nanoTime() + Duration.ofSeconds(plan.seconds()).toNanos();
      while (end - System.nanoTime() > 0 || injected.size() < faults().size()) {
        park(plan.pauseMillis());
        Fault fault = nextFault();
        inject(fault);
        awaitUp(fault.words);
      }
      progress("the end");
      command("end");
      host.awaitEnd(60);
      retire();
      progress("verify");
    } finally {
      host.close();
    }
    JsonNode verified = Verified.of(directory, "--quarantine");
    JsonNode again = Verified.of(directory);
    report(verified, again);
    return broken.isEmpty();
  }

  // ---------------------------------------------------------------- the process

  private void startHost() {
    said = null;
    done.clear();
    host =
        new HostProcess(
            SoakHost.class,
            List.of("-Xmx256m", "-XX:TieredStopAtLevel=1"),
            log,
            this::heard,
            directory,
            mount == null ? "directory" : "mount",
            plan.layout(),
            plan.seed(),
            ++processes);
  }

  private void heard(String line) {
    String rest = line.substring(line.indexOf(' ') + 1);
    switch (line.substring(0, Math.max(0, line.indexOf(' ')))) {
      case "counts" -> {
        try {
          said = mapper.readTree(rest);
        } catch (JsonProcessingException cutOff) {
          // The process was killed while it said so.
        }
      }
      case "broken" -> broken.add(rest);
      case "done" -> done.add(rest);
      default -> broken.add("it said: " + line);
    }
  }

  /** Adds up what the process has said before it was killed or ended. */
  private void retire() {
    JsonNode last = said;
    if (last == null) {
      return;
    }
    last.path("counts")
        .properties()
        .forEach(each -> counts.merge(each.getKey(), each.getValue().asLong(), Long::sum));
    latestMillis = Math.max(latestMillis, last.path("latestMillis").asLong());
    residentBytes = Math.max(residentBytes, last.path("residentBytes").asLong());
    if (last.has("heapAfter")) {
      long growth = last.path("heapAfter").asLong() - last.path("heapBefore").asLong();
      heapGrowthBytes = Math.max(heapGrowthBytes, growth);
      if (growth > HEAP_GROWTH_BYTES) {
        broken.add("leak: the heap grew by " + growth + " bytes");
      }
    }
  }

  private void command(String command) {
    if (!host.send(command) || !within(Duration.ofMinutes(4), () -> done.remove(command))) {
      throw new IllegalStateException("no answer to " + command + "; broken so far: " + broken);
    }
  }

  private void awaitUp(String after) {
    said = null;
    if (!within(STARTING, () -> !state().equals("silent"))) {
      throw new IllegalStateException("the process says nothing after: " + after);
    }
    if (!within(RECOVERY, () -> state().equals("UP"))) {
      broken.add("not up again after: %s; it is %s".formatted(after, said));
    }
  }

  private String state() {
    JsonNode last = said;
    if (last == null && !host.alive()) {
      throw new IllegalStateException("the process ended by itself; broken so far: " + broken);
    }
    return last == null ? "silent" : last.path("state").asText();
  }

  // ---------------------------------------------------------------- faults

  private List<Fault> faults() {
    return Arrays.stream(Fault.values())
        .filter(fault -> mount != null || !fault.needsMount)
        .toList();
  }

  /** Every fault once, in random order, and again. */
  private Fault nextFault() {
    if (next.isEmpty()) {
      List<Fault> all = new ArrayList<>(faults());
      Collections.shuffle(all, random);
      next.addAll(all);
    }
    return next.remove();
  }

  private void inject(Fault fault) throws IOException {
    progress(fault.words);
    injected.merge(fault, 1, Integer::sum);
    switch (fault) {
      case FREEZE -> freeze();
      case FILL -> fill();
      case READ_ONLY -> readOnly();
      case DAMAGE -> damage();
      case DETACH -> {
        mount.detach();
        park(plan.faultMillis());
        mount.mountAgain();
      }
      case FLIP -> {
        for (int left = 1 + random.nextInt(4); left > 0; left--) {
          flip();
        }
      }
      case KILL -> {
        host.kill();
        retire();
        startHost();
      }
      case INDEX -> command("break-index");
      case RESTART -> command("restart");
    }
  }

  private void freeze() {
    mount.freeze();
    try {
      park(plan.faultMillis());
    } finally {
      mount.thaw();
    }
  }

  private void fill() throws IOException {
    Path others = directory.resolve("of-others");
    long left = random.nextLong(12L << 20);
    boolean filled = false;
    for (int attempt = 0; attempt < 10 && !filled; attempt++) {
      long bytes = Math.max(BLOCK, directory.toFile().getUsableSpace() - left);
      try {
        LoopMount.run(List.of("fallocate", "--length", "" + bytes, others.toString()));
        filled = true;
      } catch (IllegalStateException theStoreWasFaster) {
        Files.deleteIfExists(others);
      }
    }
    park(plan.faultMillis());
    Files.deleteIfExists(others);
  }

  /** The kernel refuses it while a file is open for writing, as a segment always is. */
  private void readOnly() {
    long end = System.nanoTime() + Duration.ofSeconds(1).toNanos();
    boolean remounted = false;
    while (!remounted && end - System.nanoTime() > 0) {
      try {
        mount.remountReadOnly();
        remounted = true;
      } catch (IllegalStateException busy) {
        LockSupport.parkNanos(Duration.ofMillis(10).toNanos());
      }
    }
    if (remounted) {
      park(plan.faultMillis());
      mount.remountReadWrite();
    } else {
      injected.merge(Fault.READ_ONLY, -1, Integer::sum);
      refusedReadOnly++;
    }
  }

  /** What an operator does about it: the store lets the filesystem go by itself. */
  private void damage() {
    mount.failAsExt4();
    if (!within(RECOVERY, () -> !state().equals("UP"))) {
      broken.add("a filesystem that takes no writes is not noticed");
    }
    if (!within(RECOVERY, this::unmounted)) {
      throw new IllegalStateException("the store does not let the filesystem go: " + said);
    }
    try {
      mount.check();
    } catch (ConditionTimeoutException held) {
      throw new IllegalStateException("the store keeps the filesystem alive: " + said, held);
    }
    mount.mountAgain();
  }

  private boolean unmounted() {
    try {
      mount.unmount();
    } catch (ConditionTimeoutException held) {
      // It may have come to its end all the same, only later.
    }
    return !mount.isMounted();
  }

  /** Wherever it hits: block, payload, padding, or a slot that is free. */
  private void flip() throws IOException {
    List<Path> files = chunkFiles();
    if (files.isEmpty()) {
      return;
    }
    Path file = files.get(random.nextInt(files.size()));
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      long at = random.nextLong(Math.max(1, channel.size()));
      ByteBuffer one = ByteBuffer.allocate(1);
      if (channel.read(one, at) == 1) {
        one.put(0, (byte) (one.get(0) ^ 1 << random.nextInt(Byte.SIZE)));
        channel.write(one.flip(), at);
        channel.force(false);
        flips++;
      }
    } catch (NoSuchFileException evicted) {
      // Another one next time.
    }
  }

  private List<Path> chunkFiles() throws IOException {
    Path of = directory.resolve(plan.layout().equals("slab") ? "segments" : "chunks");
    List<Path> found = new ArrayList<>();
    try (Stream<Path> files = Files.walk(of)) {
      files
          .filter(Files::isRegularFile)
          .filter(file -> !file.getFileName().toString().startsWith("%"))
          .forEach(found::add);
    } catch (java.io.UncheckedIOException changedMeanwhile) {
      return found;
    }
    return found;
  }

  private void park(int atMostMillis) {
    LockSupport.parkNanos(Duration.ofMillis(1 + random.nextInt(atMostMillis)).toNanos());
  }

  private static boolean within(Duration time, BooleanSupplier condition) {
    try {
      Awaitility.await()
          .atMost(time)
          .pollInterval(Duration.ofMillis(10))
          .until(condition::getAsBoolean);
      return true;
    } catch (ConditionTimeoutException never) {
      return false;
    }
  }

  // ---------------------------------------------------------------- what came of it

  private void report(JsonNode verified, JsonNode again) {
    JsonNode files = verified.path("files");
    // A flipped bit that no load has met is found now, and nothing else.
    if (files.path("wrong").asInt() + files.path("unreadable").asInt() > flips) {
      broken.add("wrong bytes: verify found more wrong chunks than bits were flipped: " + verified);
    }
    if (files.path("staging").asInt() > 0) {
      broken.add("leak: verify found unfinished files: " + verified);
    }
    if (again.at("/files/wrong").asInt() + again.at("/files/unreadable").asInt() > 0) {
      broken.add("wrong bytes: a second verify found wrong chunks: " + again);
    }
    out.println("operations");
    counts.forEach((what, count) -> row(what, count));
    out.println("faults");
    injected.forEach((fault, count) -> row(fault.words, count));
    row("(read-only remounts that the kernel refused, a file being open)", refusedReadOnly);
    row("(bits flipped)", flips);
    row("(processes)", processes);
    out.println("promises");
    row("loads with wrong bytes", brokenBy("wrong bytes"));
    row("loads of older values than acknowledged", brokenBy("wrong value"));
    row("requests never answered, or 5 s late", brokenBy("never answered") + brokenBy("late"));
    row("latest answer after its deadline, ms", Math.max(0, latestMillis));
    row("leaked leases, memory, permits, pins, files, descriptors, threads", brokenBy("leak"));
    row("times it did not come up again", brokenBy("not up again"));
    row("other promises broken", broken.size() - knownBroken());
    out.println("weft verify");
    row("good chunks", files.path("good").asLong());
    row("wrong chunks, of the flipped ones", files.path("wrong").asLong());
    row("unfinished files", files.path("staging").asLong());
    out.println("memory");
    row("heap growth of a process, MiB", heapGrowthBytes >> 20);
    row("resident, MiB", residentBytes >> 20);
    broken.stream().limit(NAMED).forEach(each -> out.println("BROKEN: " + each));
  }

  private long brokenBy(String kind) {
    return broken.stream().filter(each -> each.startsWith(kind)).count();
  }

  private long knownBroken() {
    return Stream.of("wrong bytes", "wrong value", "never answered", "late", "leak", "not up again")
        .mapToLong(this::brokenBy)
        .sum();
  }

  /** For whoever watches; what counts is in the report. */
  private void progress(String what) {
    System.err.printf("soak: %.1f s: %s%n", (System.nanoTime() - begun) / 1e9, what);
  }

  private void row(String what, long count) {
    out.printf("  %-66s %,12d%n", what, count);
  }
}
