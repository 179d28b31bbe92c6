package io.weft.cli.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** A contender with one thread and one {@link ChunkClient} for each operation in flight. */
public abstract class ThreadedContender extends ScriptedContender {
  private final List<ChunkClient> clients = new ArrayList<>();

  /** A further client of what {@link #prepare} made. */
  protected abstract ChunkClient client() throws IOException;

  @Override
  protected final void run(Script script, List<Slot> slots, Tally tally)
      throws IOException, InterruptedException {
    while (clients.size() < slots.size()) {
      clients.add(client());
    }
    AtomicInteger next = new AtomicInteger();
    CountDownLatch ended = new CountDownLatch(slots.size());
    for (int i = 0; i < slots.size(); i++) {
      int number = i;
      ChunkClient client = clients.get(i);
      Thread.ofPlatform()
          .daemon()
          .name("weft-bench-" + i)
          .start(
              () -> {
                try {
                  work(script, next, client, number, slots.get(number), tally);
                } catch (IOException | RuntimeException | Error broken) {
                  // The client may be out of step: what it would have done is left to the others.
                  tally.failed(broken.toString());
                } finally {
                  ended.countDown();
                }
              });
    }
    ended.await();
  }

  private static void work(
      Script script, AtomicInteger next, ChunkClient client, int number, Slot slot, Tally tally)
      throws IOException {
    for (int i = next.getAndIncrement(); i < script.length(); i = next.getAndIncrement()) {
      int chunk = script.chunk(i);
      long begin;
      if (script.isLoad(i)) {
        begin = System.nanoTime();
        client.load(chunk, slot);
        tally.done(number, System.nanoTime() - begin);
        tally.loaded(number, chunk, slot);
      } else {
        tally.content().stamp(chunk, slot.payload());
        begin = System.nanoTime();
        client.store(chunk, slot);
        tally.done(number, System.nanoTime() - begin);
      }
    }
  }

  /** Closes the clients. What a contender closes besides comes after. */
  protected final void closeClients() throws IOException {
    for (ChunkClient client : clients) {
      client.close();
    }
    clients.clear();
  }
}
