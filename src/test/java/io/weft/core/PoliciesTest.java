package io.weft.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PoliciesTest {
  private static final PolicyContext CONTEXT = new PolicyContext(100);

  @ParameterizedTest
  @CsvSource({
    "lru, LruPolicy",
    "LRU, LruPolicy",
    "Lfu, LfuPolicy",
    "fifo, FifoPolicy",
    "MRU, MruPolicy",
    "s3fifo, S3FifoPolicy",
    "S3-FIFO, S3FifoPolicy",
    "s3-fifo, S3FifoPolicy",
  })
  void namesAreFoundInAnyCase(String name, String type) {
    assertEquals(type, Policies.create(name, CONTEXT).getClass().getSimpleName());
  }

  @Test
  void everySpellingHasOneCanonicalForm() {
    assertEquals("s3fifo", Policies.canonical(" S3-Fifo "));
    assertEquals("lru", Policies.canonical("LRU"));
    assertEquals("com.example.Own", Policies.canonical("com.example.Own"));
  }

  @Test
  void aClassOfTheHostIsLoadedByItsName() {
    EvictionPolicy policy = Policies.create(Own.class.getName(), CONTEXT);
    assertEquals(100, assertInstanceOf(Own.class, policy).capacityBytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "lruu",
        "",
        "java.lang.String",
        "io.weft.core.PoliciesTest$Hidden",
        "io.weft.core.PoliciesTest$WithoutContext",
        "io.weft.core.PoliciesTest$Unfinished",
        "io.weft.core.PoliciesTest$Failing",
        "io.weft.core.PoliciesTest$FailingEarly",
      })
  void whatIsNoPolicyIsRefusedWithTheNamesAndWhatAClassNeeds(String name) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> Policies.create(name, CONTEXT))
            .getMessage();
    assertTrue(message.startsWith("'" + name + "' is no eviction policy: "), message);
    assertTrue(message.contains("lru, lfu, fifo, mru, s3fifo"), message);
    assertTrue(message.contains("public constructor"), message);
  }

  @Test
  void lruGivesUpTheLeastRecentlyUsed() {
    EvictionPolicy policy = filled("lru", 1, 2, 3);
    policy.access(1);
    assertEquals(List.of(2, 3, 1), drained(policy));
  }

  @Test
  void fifoGivesUpTheOldestHoweverItWasUsed() {
    EvictionPolicy policy = filled("fifo", 1, 2, 3);
    policy.access(1);
    assertEquals(List.of(1, 2, 3), drained(policy));
  }

  @Test
  void mruGivesUpTheMostRecentlyUsed() {
    EvictionPolicy policy = filled("mru", 1, 2, 3);
    policy.access(1);
    assertEquals(List.of(1, 3, 2), drained(policy));
  }

  @Test
  void lfuGivesUpTheOneThatReachedItsFrequencyFirst() {
    EvictionPolicy policy = filled("lfu", 1, 2, 3, 4, 5);
    policy.access(2);
    policy.access(5);
    policy.access(1);
    // 5 comes to frequency three before 2, so it goes before 2, though it came to two after it.
    policy.access(5);
    policy.access(2);
    assertEquals(List.of(3, 4, 1, 5, 2), drained(policy));
  }

  @Test
  void lfuStartsAgainAtOneForWhatIsPublishedAgain() {
    EvictionPolicy policy = filled("lfu", 1, 2);
    policy.access(1);
    policy.access(1);
    policy.remove(1);
    policy.access(2);
    policy.add(1, 1, 1);
    assertEquals(List.of(1, 2), drained(policy));
  }

  @Test
  void lfuKeepsCountingAtTheHighestFrequency() {
    EvictionPolicy policy = Policies.create("lfu", CONTEXT);
    policy.readmit(1, 1, 1, Integer.MAX_VALUE);
    policy.readmit(2, 2, 1, Integer.MAX_VALUE - 1);
    policy.access(1);
    policy.access(2);
    policy.access(1);
    assertEquals(Integer.MAX_VALUE, policy.state(1));
    assertEquals(List.of(2, 1), drained(policy));
  }

  @Test
  void s3FifoPassesOnWhatWasUsedTwiceAndRemembersTheOthers() {
    EvictionPolicy policy = Policies.create("s3fifo", new PolicyContext(20));
    for (int entry = 1; entry <= 4; entry++) {
      policy.add(entry, entry, 1);
    }
    policy.access(1);
    policy.access(1);
    policy.access(2);
    assertEquals(2, policy.evict(), "used once: not enough to pass on");
    assertEquals(4, policy.state(1), "in the main queue, its count cleared");
    policy.add(2, 2, 1);
    assertEquals(4, policy.state(2), "a ghost enters the main queue");
    policy.add(5, 5, 1);
    assertEquals(0, policy.state(5));
    assertEquals(List.of(3, 4, 1, 2, 5), drained(policy));
  }

  @Test
  void s3FifoGivesTheMainQueueOneRoundForEachUse() {
    EvictionPolicy policy = Policies.create("s3fifo", new PolicyContext(1_000));
    policy.readmit(1, 1, 1, 4 + 3);
    policy.readmit(2, 2, 1, 4);
    policy.access(1);
    assertEquals(7, policy.state(1), "the count ends at three");
    assertEquals(2, policy.evict());
    assertEquals(6, policy.state(1));
    assertEquals(1, policy.evict());
  }

  @Test
  void s3FifoDoesNotTakeAHeldVictimForAGhost() {
    EvictionPolicy policy = filled("s3fifo", 1, 2, 3, 4, 5);
    assertEquals(1, policy.evict());
    policy.restore(1);
    policy.remove(1);
    policy.add(1, 1, 1);
    assertEquals(0, policy.state(1), "it enters the small queue");
  }

  @ParameterizedTest
  @CsvSource({"lru, 12345", "fifo, 12345", "mru, 54321", "s3fifo, 12345", "lfu, 12345"})
  void aHeldVictimIsTheNextOne(String name, String order) {
    EvictionPolicy policy = filled(name, 1, 2, 3, 4, 5);
    int first = policy.evict();
    int second = policy.evict();
    policy.restore(second);
    policy.restore(first);
    StringBuilder victims = new StringBuilder();
    drained(policy).forEach(victims::append);
    assertEquals(order, victims.toString());
  }

  @Test
  void aHeldVictimOfLfuComesFirstInItsFrequencyOnly() {
    EvictionPolicy policy = filled("lfu", 1, 2, 3);
    for (int entry = 1; entry <= 3; entry++) {
      policy.access(entry);
    }
    assertEquals(1, policy.evict());
    policy.add(4, 4, 1);
    policy.restore(1);
    assertEquals(List.of(4, 1, 2, 3), drained(policy));
  }

  @ParameterizedTest
  @CsvSource({"lfu, -1, 1", "lfu, 0, 1", "s3fifo, 8, 0", "s3fifo, -1, 0", "lru, 99, 0"})
  void aStateThatIsNotUnderstoodCountsAsFresh(String name, int state, int fresh) {
    EvictionPolicy policy = Policies.create(name, CONTEXT);
    policy.readmit(7, 7, 1, state);
    assertEquals(fresh, policy.state(7));
    assertEquals(7, policy.evict());
  }

  @ParameterizedTest
  @ValueSource(strings = {"lru", "lfu", "fifo", "mru", "s3fifo"})
  void anEntryIsInAPolicyOnce(String name) {
    EvictionPolicy policy = filled(name, 1);
    assertThrows(IllegalStateException.class, () -> policy.add(1, 1, 1));
    assertThrows(IllegalStateException.class, () -> policy.remove(2));
    assertThrows(IllegalStateException.class, () -> policy.stamp(2));
  }

  @Test
  void s3FifoCountsALargeChunkAsHalfAGibibyteInTheShareOfTheSmallQueue() {
    EvictionPolicy policy = Policies.create("s3fifo", new PolicyContext(10L << 30));
    policy.readmit(1, 1, 4096, 4);
    policy.add(2, 2, 80L << 30);
    assertEquals(1, policy.evict(), "half of the small queue is used");
    policy.readmit(1, 1, 4096, 4);
    policy.add(3, 3, 600L << 20);
    policy.add(4, 4, 1L << 20);
    assertEquals(2, policy.evict(), "it is full now");
  }

  private static EvictionPolicy filled(String name, int... entries) {
    EvictionPolicy policy = Policies.create(name, CONTEXT);
    for (int entry : entries) {
      policy.add(entry, entry, 1);
    }
    return policy;
  }

  private static List<Integer> drained(EvictionPolicy policy) {
    List<Integer> victims = new ArrayList<>();
    for (int victim = policy.evict(); victim >= 0; victim = policy.evict()) {
      victims.add(victim);
    }
    return victims;
  }

  /** A policy of a host's own. */
  public static class Own extends Base {
    final long capacityBytes;

    public Own(PolicyContext context) {
      capacityBytes = context.capacityBytes();
    }
  }

  static class Hidden extends Base {
    Hidden(PolicyContext context) {}
  }

  public static class WithoutContext extends Base {
    public WithoutContext() {}
  }

  public abstract static class Unfinished extends Base {
    public Unfinished(PolicyContext context) {}
  }

  public static class Failing extends Base {
    public Failing(PolicyContext context) {
      throw new UnsupportedOperationException("not on this machine");
    }
  }

  public static class FailingEarly extends Base {
    private static final long ANSWER = Long.parseLong("no number");

    public FailingEarly(PolicyContext context) {}

    @Override
    public long stamp(int entry) {
      return ANSWER;
    }
  }

  abstract static class Base implements EvictionPolicy {
    @Override
    public void add(int entry, long keyHash, long bytes) {}

    @Override
    public void access(int entry) {}

    @Override
    public void remove(int entry) {}

    @Override
    public int evict() {
      return -1;
    }

    @Override
    public void restore(int entry) {}

    @Override
    public long stamp(int entry) {
      return 0;
    }

    @Override
    public int state(int entry) {
      return 0;
    }

    @Override
    public void readmit(int entry, long keyHash, long bytes, int state) {}
  }
}
