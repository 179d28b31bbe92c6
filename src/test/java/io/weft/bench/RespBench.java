package io.weft.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * SET and GET over loopback, the way LMCache's C++ client does it: some connections, one command at
 * a time on each, a chunk in one bulk string. Redis (in memory) and Weft (on the disk) take turns
 * in every round, and between them fio moves the same bytes to and from the disk with O_DIRECT.
 *
 * <p>Each round begins with two empty stores, stores every chunk once, and loads every chunk once
 * in random order; length, head and tail of each loaded chunk are compared. Printed are medians
 * over the rounds, of rates and of each round's own ratios.
 *
 * <p>Arguments: {@code REDIS_PORT WEFT_PORT DIRECTORY ROUNDS CONNECTIONS BYTES_A_ROUND
 * SIZE[,SIZE...]}.
 */
public final class RespBench {
  private static final int MARK = 16;
  private static final double BAR = 0.8;

  private final int connections;
  private final Path directory;

  private RespBench(int connections, Path directory) {
    this.connections = connections;
    this.directory = directory;
  }

  private record Round(double redis, double weft, double limit) {
    double toRedis() {
      return weft / redis;
    }

    double toLimit() {
      return weft / limit;
    }

    double toLesser() {
      return weft / Math.min(redis, limit);
    }
  }

  public static void main(String[] arguments) throws Exception {
    InetSocketAddress redis = local(arguments[0]);
    InetSocketAddress weft = local(arguments[1]);
    int rounds = Integer.parseInt(arguments[3]);
    long bytes = Long.parseLong(arguments[5]);
    RespBench bench = new RespBench(Integer.parseInt(arguments[4]), Path.of(arguments[2]));
    System.out.printf(
        "%d rounds, %d connections, %d MiB a round; MB/s, medians; the limit is fio with"
            + " O_DIRECT%n",
        rounds, bench.connections, bytes >> 20);
    System.out.printf(
        "%-12s %8s %8s %8s   %9s %9s   %s%n",
        "", "redis", "weft", "limit", "weft/redis", "weft/limit", "weft/lesser of the two");
    for (String each : arguments[6].split(",", -1)) {
      int size = Integer.parseInt(each);
      int count = (int) Math.max(bench.connections, bytes / size);
      List<Round> stores = new ArrayList<>();
      List<Round> loads = new ArrayList<>();
      for (int round = 0; round < rounds; round++) {
        bench.flush(redis);
        bench.flush(weft);
        // Who goes first alternates: neither always meets a disk that the other has just used.
        boolean redisFirst = round % 2 == 0;
        double a = bench.run(redisFirst ? redis : weft, true, size, count, round);
        double limit = bench.disk(true, size);
        double b = bench.run(redisFirst ? weft : redis, true, size, count, round);
        stores.add(new Round(redisFirst ? a : b, redisFirst ? b : a, limit));
        a = bench.run(redisFirst ? redis : weft, false, size, count, round);
        limit = bench.disk(false, size);
        b = bench.run(redisFirst ? weft : redis, false, size, count, round);
        loads.add(new Round(redisFirst ? a : b, redisFirst ? b : a, limit));
      }
      print("SET " + (size >> 10) + " KiB", stores);
      print("GET " + (size >> 10) + " KiB", loads);
    }
    long dropped = bench.counter(weft, "weft_stores_dropped");
    System.out.println("stores dropped by weft: " + dropped);
    if (dropped > 0) {
      System.out.println("This run does not count: a SET was dropped.");
      System.exit(1);
    }
  }

  private static InetSocketAddress local(String port) {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(port));
  }

  private static void print(String what, List<Round> rounds) {
    double lesser = median(rounds.stream().mapToDouble(Round::toLesser).toArray());
    System.out.printf(
        "%-12s %8.0f %8.0f %8.0f   %9.2f %9.2f   %.2f (bar %.1f: %s)%n",
        what,
        median(rounds.stream().mapToDouble(Round::redis).toArray()),
        median(rounds.stream().mapToDouble(Round::weft).toArray()),
        median(rounds.stream().mapToDouble(Round::limit).toArray()),
        median(rounds.stream().mapToDouble(Round::toRedis).toArray()),
        median(rounds.stream().mapToDouble(Round::toLimit).toArray()),
        lesser,
        BAR,
        lesser >= BAR ? "met" : "missed");
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    int half = values.length / 2;
    return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  }

  // ---------------------------------------------------------------- the disk alone

  /**
   * What fio moves, in MB/s: blocks of a chunk and its self-describing block, sixteen at a time.
   */
  private double disk(boolean write, int size) throws IOException, InterruptedException {
    Process fio =
        new ProcessBuilder(
                "fio",
                "--name=limit",
                "--directory=" + directory,
                "--ioengine=psync",
                "--thread",
                "--direct=1",
                "--numjobs=16",
                "--group_reporting",
                "--bs=" + (size + 4096),
                "--rw=" + (write ? "randwrite" : "randread"),
                "--size=" + 16L * (size + 4096),
                "--filename=limit",
                "--filesize=" + 256L * (size + 4096),
                "--time_based",
                "--runtime=2",
                "--minimal")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String out = new String(fio.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (fio.waitFor() != 0) {
      throw new IOException("fio failed: " + out);
    }
    String[] fields = out.lines().reduce((_, last) -> last).orElseThrow().split(";", -1);
    double kibibytes = Double.parseDouble(fields[write ? 47 : 6]);
    // The chunk's share of the bytes that move.
    return kibibytes * 1024 / 1e6 * size / (size + 4096.0);
  }

  // ---------------------------------------------------------------- clients

  /** MB/s over all connections. */
  private double run(InetSocketAddress server, boolean store, int size, int count, int round)
      throws Exception {
    List<Client> clients = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      clients.add(new Client(server, size));
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(connections)) {
      List<Future<?>> running = new ArrayList<>();
      long begin = System.nanoTime();
      for (int i = 0; i < connections; i++) {
        int first = i;
        Client client = clients.get(i);
        running.add(
            threads.submit(
                () -> {
                  int[] mine = mine(first, count, new Random(round * 1_000L + first));
                  for (int chunk : mine) {
                    if (store) {
                      client.set(chunk);
                    } else {
                      client.get(chunk);
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> each : running) {
        each.get();
      }
      return (double) size * count / ((System.nanoTime() - begin) / 1e9) / 1e6;
    } finally {
      for (Client client : clients) {
        client.close();
      }
    }
  }

  private int[] mine(int first, int count, Random random) {
    int[] mine = new int[(count - first + connections - 1) / connections];
    for (int i = 0; i < mine.length; i++) {
      mine[i] = first + i * connections;
    }
    for (int i = mine.length - 1; i > 0; i--) {
      int other = random.nextInt(i + 1);
      int swapped = mine[i];
      mine[i] = mine[other];
      mine[other] = swapped;
    }
    return mine;
  }

  private void flush(InetSocketAddress server) throws IOException {
    try (Client client = new Client(server, 1024)) {
      client.command("FLUSHALL");
      client.expect("+OK\r\n");
    }
  }

  private long counter(InetSocketAddress server, String name) throws IOException {
    try (Client client = new Client(server, 64 << 10)) {
      client.command("INFO", "stats");
      String header = client.line();
      String text = client.text(Integer.parseInt(header.substring(1)));
      return text.lines()
          .filter(line -> line.startsWith(name + ":"))
          .mapToLong(line -> Long.parseLong(line.substring(name.length() + 1).strip()))
          .findFirst()
          .orElseThrow();
    }
  }

  /** One connection, one command at a time. */
  private static final class Client implements AutoCloseable {
    private final SocketChannel channel;
    private final ByteBuffer value;
    private final ByteBuffer reply;
    private final int size;

    Client(InetSocketAddress server, int size) throws IOException {
      this.channel = SocketChannel.open(server);
      this.channel.setOption(java.net.StandardSocketOptions.TCP_NODELAY, true);
      this.size = size;
      this.value = ByteBuffer.allocateDirect(size);
      byte[] noise = new byte[size];
      new Random(size).nextBytes(noise);
      value.put(noise).clear();
      this.reply = ByteBuffer.allocateDirect(size + 64);
      reply.limit(0);
    }

    void set(int chunk) throws IOException {
      mark(value, 0, chunk);
      mark(value, size - MARK, chunk);
      String key = "bench:chunk:" + chunk;
      ByteBuffer[] parts = {
        ascii("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n".formatted(key.length(), key, size)),
        value.duplicate(),
        ascii("\r\n")
      };
      long left = Arrays.stream(parts).mapToLong(ByteBuffer::remaining).sum();
      while (left > 0) {
        left -= channel.write(parts);
      }
      expect("+OK\r\n");
    }

    void get(int chunk) throws IOException {
      command("GET", "bench:chunk:" + chunk);
      String header = line();
      if (!header.equals("$" + size)) {
        throw new IOException("expected $" + size + ", got " + header);
      }
      fill(size + 2);
      int begin = reply.position();
      if (marked(reply, begin) != chunk || marked(reply, begin + size - MARK) != chunk) {
        throw new IOException("the bytes of chunk " + chunk + " are not its own");
      }
      reply.position(begin + size + 2);
    }

    private static void mark(ByteBuffer buffer, int at, int chunk) {
      buffer.putLong(at, chunk).putLong(at + 8, ~(long) chunk);
    }

    private static long marked(ByteBuffer buffer, int at) {
      long chunk = buffer.getLong(at);
      return chunk == ~buffer.getLong(at + 8) ? chunk : -1;
    }

    void command(String... words) throws IOException {
      StringBuilder text = new StringBuilder("*" + words.length + "\r\n");
      for (String word : words) {
        text.append("$%d\r\n%s\r\n".formatted(word.length(), word));
      }
      ByteBuffer bytes = ascii(text.toString());
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    }

    void expect(String text) throws IOException {
      String line = line() + "\r\n";
      if (!line.equals(text)) {
        throw new IOException("expected " + text.strip() + ", got " + line.strip());
      }
    }

    String line() throws IOException {
      for (int length = 2; ; length++) {
        fill(length);
        if (reply.get(reply.position() + length - 1) == '\n') {
          return text(length).substring(0, length - 2);
        }
      }
    }

    String text(int length) throws IOException {
      fill(length);
      byte[] bytes = new byte[length];
      reply.get(bytes);
      return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** Reads until so many bytes are there. */
    private void fill(int length) throws IOException {
      if (reply.position() > 0 && reply.capacity() - reply.position() < length) {
        reply.compact().flip();
      }
      if (!reply.hasRemaining()) {
        reply.clear().limit(0);
      }
      while (reply.remaining() < length) {
        int begin = reply.position();
        int end = reply.limit();
        reply.limit(reply.capacity()).position(end);
        int count = channel.read(reply);
        reply.limit(Math.max(reply.position(), end)).position(begin);
        if (count < 0) {
          throw new IOException("the server closed the connection");
        }
      }
    }

    private static ByteBuffer ascii(String text) {
      return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException failed) {
        throw new UncheckedIOException(failed);
      }
    }
  }
}
