package io.weft.resp;

import static io.weft.testing.RespClient.bytes;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.api.ChunkStore;
import io.weft.device.AlignedBufferPool;
import io.weft.sim.SimTicker;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.Random;
import org.apache.pekko.util.ByteString;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Replies leave in the order of the commands, whole or in pieces, and give their memory back. */
class ReplyLineTest {
  private final AlignedBufferPool pool = new AlignedBufferPool(64 << 20);
  private final BytePermits permits = new BytePermits(64 << 20, new SimTicker());
  private final ValueMemory memory =
      new ValueMemory(
          (ChunkStore)
              Proxy.newProxyInstance(
                  ChunkStore.class.getClassLoader(),
                  new Class<?>[] {ChunkStore.class},
                  (_, _, arguments) -> pool.tryLease((Long) arguments[0])),
          permits,
          64 << 20,
          (_, _) -> {},
          new SimTicker());
  private final ReplyLine line = new ReplyLine();

  @AfterEach
  void close() {
    assertEquals(0, permits.held());
    pool.close();
  }

  private ValueMemory.Held held(byte[] value) {
    ValueMemory.Held[] held = new ValueMemory.Held[1];
    memory.want(Long.MAX_VALUE).need(value.length, got -> held[0] = got);
    MemorySegment.copy(MemorySegment.ofArray(value), 0, held[0].whole(), 0, value.length);
    return held[0];
  }

  private static byte[] value(int length) {
    byte[] value = new byte[length];
    new Random(length).nextBytes(value);
    return value;
  }

  private String next() {
    ByteString bytes = line.next();
    return bytes == null ? "nothing" : bytes.utf8String();
  }

  @Test
  void whatIsReadyWaitsForThoseBefore() {
    ReplyLine.Slot first = line.slot();
    ReplyLine.Slot second = line.slot();
    line.ready(RespWriter.OK);
    second.ready(RespWriter.ONE);
    assertEquals("nothing", next());
    assertEquals(3, line.size());
    first.ready(RespWriter.PONG);
    assertEquals("+PONG\r\n:1\r\n+OK\r\n", next());
    assertTrue(line.isEmpty());
    assertEquals("nothing", next());
  }

  @Test
  void valuesOfAnyLengthLeaveInPieces() {
    ByteArrayOutputStream expected = new ByteArrayOutputStream();
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    int piece = ReplyLine.PIECE;
    int[] lengths = {
      0,
      1,
      4095,
      4096,
      4097,
      piece - 12,
      piece - 11,
      piece - 10,
      piece - 9,
      piece - 8,
      piece,
      piece + 1,
      3 * piece,
      (5 << 20) + 3
    };
    for (int length : lengths) {
      byte[] value = value(length);
      line.slot().ready(held(value), length);
      line.ready(RespWriter.OK);
      expected.writeBytes(bytes("$" + length + "\r\n"));
      expected.writeBytes(value);
      expected.writeBytes(bytes("\r\n+OK\r\n"));
    }
    ByteString bytes;
    while ((bytes = line.next()) != null) {
      assertTrue(bytes.size() <= piece);
      sent.writeBytes(bytes.toArray());
    }
    assertArrayEquals(expected.toByteArray(), sent.toByteArray());
  }

  @Test
  void aReplyThatIsLongWithoutMemoryOfItsOwnLeavesInPieces() {
    byte[] value = value(3 * ReplyLine.PIECE + 5);
    line.ready(new RespWriter(false).bulk(value).done());
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    ByteString bytes;
    while ((bytes = line.next()) != null) {
      sent.writeBytes(bytes.toArray());
    }
    assertEquals(value.length + 9 + 2, sent.size());
  }

  @Test
  void memoryGoesBackWithItsLastByte() {
    byte[] value = value(ReplyLine.PIECE);
    line.slot().ready(held(value), value.length);
    assertEquals(ReplyLine.PIECE, line.next().size());
    assertEquals(ReplyLine.PIECE, permits.held());
    assertEquals(11, line.next().size());
    assertEquals(0, permits.held());
    assertNull(line.next());
  }

  @Test
  void memoryGoesBackWhereNobodyReads() {
    byte[] value = value(ReplyLine.PIECE);
    line.slot().ready(held(value), value.length);
    ReplyLine.Slot late = line.slot();
    line.slot().ready(held(value), value.length);
    assertEquals(ReplyLine.PIECE, line.next().size());
    line.close();
    assertEquals(0, permits.held());
    late.ready(held(value), value.length);
    assertEquals(0, permits.held());
    assertNull(line.next());
  }
}
