package io.weft.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

class Crc32cCombineTest {
  @Test
  void partsOfEveryLengthCombineToTheWhole() {
    byte[] whole = new byte[300];
    new Random(1).nextBytes(whole);
    for (int cut = 0; cut <= whole.length; cut++) {
      int first = sum(Arrays.copyOf(whole, cut));
      int second = sum(Arrays.copyOfRange(whole, cut, whole.length));
      assertEquals(sum(whole), Crc32cCombine.combine(first, second, whole.length - cut));
    }
  }

  @Test
  void manyLongPartsCombineToTheWhole() {
    Random random = new Random(2);
    byte[] whole = new byte[5 << 20];
    random.nextBytes(whole);
    int sum = 0;
    for (int at = 0; at < whole.length; ) {
      int length = Math.min(random.nextInt(1 << 20), whole.length - at);
      sum = Crc32cCombine.combine(sum, sum(Arrays.copyOfRange(whole, at, at + length)), length);
      at += length;
    }
    assertEquals(sum(whole), sum);
  }

  @Test
  void aPartLongerThanAnArrayCarriesTheSumAsFar() {
    byte[] zeros = new byte[1 << 20];
    CRC32C whole = new CRC32C();
    whole.update('x');
    int first = (int) whole.getValue();
    CRC32C rest = new CRC32C();
    for (int i = 0; i < 3000; i++) {
      whole.update(zeros);
      rest.update(zeros);
    }
    assertEquals(
        (int) whole.getValue(),
        Crc32cCombine.combine(first, (int) rest.getValue(), 3000L * zeros.length));
  }

  private static int sum(byte[] bytes) {
    CRC32C sum = new CRC32C();
    sum.update(bytes);
    return (int) sum.getValue();
  }
}
