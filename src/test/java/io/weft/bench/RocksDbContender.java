package io.weft.bench;

import io.weft.cli.bench.ChunkClient;
import io.weft.cli.bench.Slot;
import io.weft.cli.bench.Space;
import io.weft.cli.bench.ThreadedContender;
import io.weft.cli.bench.Trees;
import io.weft.cli.bench.Workload;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.CompressionType;
import org.rocksdb.FlushOptions;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteOptions;

/**
 * RocksDB, set for this job: values in blob files, direct I/O both ways, no compression, no log, a
 * small block cache. Where room is bounded, each store deletes the oldest chunk, and the space of
 * blobs comes back by its garbage collection.
 */
final class RocksDbContender extends ThreadedContender {
  private static final long BLOCK_CACHE_BYTES = 8L << 20;
  private static final long WRITE_BUFFER_BYTES = 64L << 20;
  private static final long BLOB_FILE_BYTES = 256L << 20;
  private static final int KEY_BYTES = 52;

  private Space space;
  private Options options;
  private LRUCache cache;
  private RocksDB db;
  private WriteOptions write;
  private ReadOptions read;

  @Override
  public String name() {
    return "rocksdb";
  }

  @Override
  public boolean runs(Workload workload, int chunkBytes) {
    return workload.scripted();
  }

  @Override
  public List<Integer> depths() {
    return List.of(4, 8, 16, 32, 64);
  }

  @Override
  public void prepare(Space wanted) throws IOException {
    RocksDB.loadLibrary();
    space = wanted;
    open();
  }

  private void open() throws IOException {
    cache = new LRUCache(BLOCK_CACHE_BYTES);
    options =
        new Options()
            .setCreateIfMissing(true)
            .setCompressionType(CompressionType.NO_COMPRESSION)
            .setBlobCompressionType(CompressionType.NO_COMPRESSION)
            .setEnableBlobFiles(true)
            .setMinBlobSize(0)
            .setBlobFileSize(BLOB_FILE_BYTES)
            .setEnableBlobGarbageCollection(true)
            .setBlobGarbageCollectionAgeCutoff(1.0)
            .setUseDirectReads(true)
            .setUseDirectIoForFlushAndCompaction(true)
            .setWriteBufferSize(WRITE_BUFFER_BYTES)
            .setMaxWriteBufferNumber(4)
            .setMaxBackgroundJobs(Math.max(2, Runtime.getRuntime().availableProcessors()))
            .setTableFormatConfig(new BlockBasedTableConfig().setBlockCache(cache));
    write = new WriteOptions().setDisableWAL(true);
    read = new ReadOptions();
    try {
      db = RocksDB.open(options, space.directory().toString());
    } catch (RocksDBException failed) {
      throw new IOException(failed);
    }
  }

  @Override
  public void empty() throws IOException {
    closeClients();
    closeDatabase();
    Trees.clear(space.directory());
    open();
  }

  @Override
  protected ChunkClient client() {
    return new Client(db, read, write, space);
  }

  /** Else a half of the loads after would come from memory that stores have filled. */
  @Override
  protected void finishStores() throws IOException {
    try (FlushOptions wait = new FlushOptions().setWaitForFlush(true)) {
      db.flush(wait);
    } catch (RocksDBException failed) {
      throw new IOException(failed);
    }
  }

  /** One thread's way in, with a key buffer of its own. */
  private record Client(
      RocksDB db, ReadOptions read, WriteOptions write, Space space, ByteBuffer key)
      implements ChunkClient {

    Client(RocksDB db, ReadOptions read, WriteOptions write, Space space) {
      this(db, read, write, space, ByteBuffer.allocateDirect(KEY_BYTES));
    }

    @Override
    public void store(int chunk, Slot slot) throws IOException {
      try {
        db.put(write, key(chunk), slot.payloadBuffer().clear());
        if (space.bounded()) {
          db.delete(write, key((chunk - space.chunks() + space.numbers()) % space.numbers()));
        }
      } catch (RocksDBException failed) {
        throw new IOException(failed);
      }
    }

    @Override
    public void load(int chunk, Slot slot) throws IOException {
      try {
        int length = db.get(read, key(chunk), slot.payloadBuffer().clear());
        if (length != space.chunkBytes()) {
          throw new IOException("chunk " + chunk + " has " + length + " bytes");
        }
      } catch (RocksDBException failed) {
        throw new IOException(failed);
      }
    }

    /** As long as the keys of the other contenders; the number comes first. */
    private ByteBuffer key(int chunk) {
      return key.clear().putInt(0, Integer.reverse(chunk));
    }

    @Override
    public void close() {}
  }

  private void closeDatabase() {
    if (db != null) {
      db.close();
      read.close();
      write.close();
      options.close();
      cache.close();
      db = null;
    }
  }

  @Override
  public void close() throws IOException {
    closeClients();
    closeDatabase();
    if (space != null) {
      Trees.clear(space.directory());
    }
  }
}
