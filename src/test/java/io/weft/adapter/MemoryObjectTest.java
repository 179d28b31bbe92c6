package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.weft.base.ChunkMetadata;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who holds memory, and where it goes: {@link MemoryObject}, {@link NativeAllocator}. */
class MemoryObjectTest {

  @Test
  void memoryGoesHomeWithTheLastReference() {
    List<MemorySegment> home = new ArrayList<>();
    MemorySegment whole = MemorySegment.ofArray(new byte[4096]);
    MemoryObject object = new MemoryObject(whole, 10, ChunkMetadata.EMPTY, home::add);
    assertEquals(10, object.memory().byteSize());
    assertEquals(4096, object.wholeMemory().byteSize());
    object.retain().release();
    assertEquals(List.of(), home);
    object.release();
    assertEquals(List.of(whole), home);
    assertThrows(IllegalStateException.class, object::release);
    assertThrows(IllegalStateException.class, object::retain);
    assertThrows(IllegalStateException.class, object::memory);
    assertThrows(IllegalStateException.class, object::wholeMemory);
    assertEquals(1, home.size());
  }

  @Test
  void aLengthFitsItsMemory() {
    MemorySegment whole = MemorySegment.ofArray(new byte[8]);
    for (long length : new long[] {-1, 9}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new MemoryObject(whole, length, ChunkMetadata.EMPTY, _ -> {}));
    }
  }

  @Test
  void nativeMemoryIsAlignedAndPadded() {
    try (NativeAllocator allocator = new NativeAllocator(64 << 10)) {
      for (long length : new long[] {0, 1, 4096, 4097}) {
        MemoryObject object = allocator.allocate(length, ChunkMetadata.EMPTY);
        assertNotNull(object);
        assertEquals(length, object.length());
        assertEquals(0, object.wholeMemory().address() % 4096);
        assertEquals(0, object.wholeMemory().byteSize() % 4096);
        object.release();
      }
      assertEquals(0, allocator.usedBytes());
    }
    assertThrows(IllegalArgumentException.class, () -> new NativeAllocator(4095));
  }

  @Test
  void nativeMemoryIsBoundedAndUsedAgain() {
    NativeAllocator allocator = new NativeAllocator(16 << 10);
    MemoryObject first = allocator.allocate(8 << 10, ChunkMetadata.EMPTY);
    MemoryObject second = allocator.allocate(8 << 10, ChunkMetadata.EMPTY);
    assertNotNull(first);
    assertNotNull(second);
    assertNull(allocator.allocate(1, ChunkMetadata.EMPTY));
    assertNull(allocator.allocate(17 << 10, ChunkMetadata.EMPTY));
    long address = first.wholeMemory().address();
    first.release();
    MemoryObject again = allocator.allocate(5 << 10, ChunkMetadata.EMPTY);
    assertNotNull(again);
    assertEquals(address, again.wholeMemory().address());
    assertEquals(16 << 10, allocator.usedBytes());
    again.release();
    second.release();
    // Spare memory of another size makes room.
    MemoryObject large = allocator.allocate(16 << 10, ChunkMetadata.EMPTY);
    assertNotNull(large);
    allocator.close();
    assertNull(allocator.allocate(1, ChunkMetadata.EMPTY));
    assertEquals(16 << 10, large.wholeMemory().byteSize());
    large.release();
    assertEquals(0, allocator.usedBytes());
  }
}
