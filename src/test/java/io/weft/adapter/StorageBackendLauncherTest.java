package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.adapter.StorageBackendLauncher.Outcome;
import io.weft.base.ChunkMetadata;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plugins by class name: those that start, and why the others do not. */
class StorageBackendLauncherTest {
  @TempDir private Path directory;
  private final NativeAllocator allocator = new NativeAllocator(16 << 20);

  /** No storage backend. */
  public static final class Stranger {
    public Stranger(StoragePluginContext context) {
      throw new AssertionError("made all the same for " + context.name());
    }
  }

  /** One whose constructor throws. */
  public static final class Thrower extends Silent {
    public Thrower(StoragePluginContext context) {
      super();
      throw new IllegalStateException("no device for " + context.name());
    }
  }

  /** One whose class cannot be initialized. */
  public static final class Unlinkable extends Silent {
    static final int NUMBER = Integer.parseInt("none");

    public Unlinkable(StoragePluginContext context) {
      super();
    }
  }

  /** One that has no constructor with a context. */
  public static class Silent implements StorageBackend {
    public Silent() {}

    @Override
    public int batchedContains(List<EngineKey> keys, boolean pin) {
      return 0;
    }

    @Override
    public java.util.concurrent.CompletionStage<Integer> batchedAsyncContains(
        String lookupId, List<EngineKey> keys, boolean pin) {
      return java.util.concurrent.CompletableFuture.completedStage(0);
    }

    @Override
    public boolean existsInPutTasks(EngineKey key) {
      return false;
    }

    @Override
    public List<java.util.concurrent.CompletionStage<Boolean>> batchedSubmitPutTask(
        List<EngineKey> keys,
        List<MemoryObject> objects,
        java.util.function.@Nullable Consumer<? super EngineKey> onComplete) {
      return List.of();
    }

    @Override
    public List<@Nullable MemoryObject> batchedGetBlocking(List<EngineKey> keys) {
      return List.of();
    }

    @Override
    public java.util.concurrent.CompletionStage<List<@Nullable MemoryObject>> batchedGetNonBlocking(
        String lookupId, List<EngineKey> keys) {
      return java.util.concurrent.CompletableFuture.completedStage(List.of());
    }

    @Override
    public boolean pin(EngineKey key) {
      return false;
    }

    @Override
    public boolean unpin(EngineKey key) {
      return false;
    }

    @Override
    public int batchedRemove(List<EngineKey> keys, boolean force) {
      return 0;
    }

    @Override
    public void touchCache() {}

    @Override
    public AllocatorBackend allocatorBackend() {
      return (_, _) -> null;
    }

    @Override
    public void cancelRequest(String lookupId) {}

    @Override
    public void close() {}
  }

  private static void plugin(Map<String, @Nullable Object> flat, String name, Class<?> type) {
    flat.put("storage_plugin." + name + ".module_path", type.getPackageName());
    flat.put(
        "storage_plugin." + name + ".class_name",
        type.getName().substring(type.getPackageName().length() + 1));
  }

  private List<Outcome> launch(Map<String, @Nullable Object> flat, String... names) {
    return StorageBackendLauncher.launch(List.of(names), flat, allocator);
  }

  private static String why(Outcome outcome) {
    return assertInstanceOf(Outcome.Skipped.class, outcome).why();
  }

  /** What docs/configuration.md shows. */
  private Map<String, @Nullable Object> documented() {
    Map<String, @Nullable Object> flat = new HashMap<>();
    flat.put("storage_plugin.weft.module_path", "io.weft.adapter");
    flat.put("storage_plugin.weft.class_name", "NvmeofStorageBackend");
    flat.put("weft.mode", "directory");
    flat.put("weft.directory", directory.resolve("store").toString());
    flat.put("weft.capacity", "64MiB");
    flat.put("weft.reserve", "0");
    flat.put("weft.request-timeout", "20s");
    flat.put("somebody.elses", null);
    return flat;
  }

  @Test
  void theDocumentedConfigurationStarts() {
    List<Outcome> outcomes = launch(documented(), "weft");
    Outcome.Started started = assertInstanceOf(Outcome.Started.class, outcomes.getFirst());
    assertEquals("weft", started.name());
    EngineKey key = StorageBackendContract.key("a");
    try (StorageBackend backend = started.backend()) {
      put(backend, key, 5000);
    }
    assertTrue(Files.isDirectory(directory.resolve("store")));
    // A store of its own is closed with the backend: it opens again, with what was in it.
    Outcome again = launch(documented(), "weft").getFirst();
    try (StorageBackend backend = assertInstanceOf(Outcome.Started.class, again).backend()) {
      MemoryObject object = backend.getBlocking(key);
      assertNotNull(object);
      assertEquals(5000, object.length());
      object.release();
    }
  }

  private void put(StorageBackend backend, EngineKey key, int length) {
    MemoryObject object = allocator.allocate(length, ChunkMetadata.EMPTY);
    assertNotNull(object);
    assertTrue(
        StorageBackendContract.get(
            backend.batchedSubmitPutTask(List.of(key), List.of(object), null).getFirst()));
    object.release();
  }

  @Test
  void whatDoesNotStartIsLeftOutAndSaysWhy() {
    Map<String, @Nullable Object> flat = documented();
    plugin(flat, "stranger", Stranger.class);
    plugin(flat, "thrower", Thrower.class);
    plugin(flat, "unlinkable", Unlinkable.class);
    plugin(flat, "silent", Silent.class);
    flat.put("storage_plugin.absent.module_path", "org.example");
    flat.put("storage_plugin.absent.class_name", "Nothing");
    flat.put("storage_plugin.half.module_path", "org.example");
    flat.put("storage_plugin.half.class_name", " ");
    List<Outcome> outcomes =
        launch(
            flat,
            "stranger",
            "thrower",
            "unlinkable",
            "silent",
            "absent",
            "half",
            "unknown",
            "weft",
            "weft");
    assertEquals(
        "storage_plugin.stranger.class_name: "
            + Stranger.class.getName()
            + " is no io.weft.adapter.StorageBackend",
        why(outcomes.get(0)));
    assertEquals("java.lang.IllegalStateException: no device for thrower", why(outcomes.get(1)));
    assertTrue(why(outcomes.get(2)).contains("ExceptionInInitializerError"), why(outcomes.get(2)));
    assertEquals(
        "its class has no public constructor with one io.weft.adapter.StoragePluginContext: give"
            + " it one",
        why(outcomes.get(3)));
    assertEquals(
        "storage_plugin.absent.class_name: there is no class org.example.Nothing: is its jar on the"
            + " class path?",
        why(outcomes.get(4)));
    assertEquals(
        "storage_plugin.half.class_name: it is missing: name the plugin's class, without its"
            + " package",
        why(outcomes.get(5)));
    assertEquals(
        "storage_plugin.unknown.module_path: it is missing: name the package of the plugin's class",
        why(outcomes.get(6)));
    assertEquals("weft", outcomes.get(7).name());
    assertInstanceOf(Outcome.Started.class, outcomes.get(7)).backend().close();
    assertEquals("storage_plugins names it twice: leave one out", why(outcomes.get(8)));
  }

  @Test
  void aWrongConfigurationSaysTheKeyAndTheMend() {
    Map<String, @Nullable Object> flat = documented();
    flat.put("weft.capacity", "12 parsecs");
    assertTrue(why(launch(flat, "weft").getFirst()).startsWith("weft.capacity = 12 parsecs: '12"));
    flat.put("weft.capacity", "64MiB");
    flat.put("weft.capactiy", "64MiB");
    assertEquals(
        "weft.capactiy: there is no such setting; reference.conf lists them",
        why(launch(flat, "weft").getFirst()));
    flat.remove("weft.capactiy");
    flat.remove("weft.directory");
    String why = why(launch(flat, "weft").getFirst());
    assertTrue(why.startsWith("weft.directory = "), why);
  }

  /** The lock of the directory: a store that fails for good is closed, and leaves no backend. */
  @Test
  void aStoreThatCannotStartIsLeftOut() {
    Map<String, @Nullable Object> flat = documented();
    plugin(flat, "second", NvmeofStorageBackend.class);
    List<Outcome> outcomes = launch(flat, "weft", "second");
    assertInstanceOf(Outcome.Started.class, outcomes.get(0)).backend().close();
    assertTrue(why(outcomes.get(1)).contains("the store did not start"), why(outcomes.get(1)));
  }
}
