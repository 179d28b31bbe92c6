package io.weft.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import io.weft.api.ChunkStore;
import io.weft.api.StoreStatus;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/**
 * A store that a command has started, and that is shut down in order whichever way the command
 * ends: an interrupt from the keyboard included, so that the next start finds a clean snapshot.
 */
final class OpenStore implements AutoCloseable {
  private static final long INTERRUPTED_SECONDS = 15;

  private final ChunkStore store;
  private final StoreStatus ready;
  private final Config config;
  private final Thread whenInterrupted;

  private OpenStore(ChunkStore store, StoreStatus ready, Config config, Runnable afterInterrupt) {
    this.store = store;
    this.ready = ready;
    this.config = config;
    this.whenInterrupted =
        new Thread(
            () -> {
              var _ =
                  store
                      .shutdown()
                      .toCompletableFuture()
                      .completeOnTimeout(ready, INTERRUPTED_SECONDS, TimeUnit.SECONDS)
                      .join();
              afterInterrupt.run();
            },
            "weft-interrupted");
  }

  /**
   * What a store is configured with: the command line's options before the process's system
   * properties before the named file before the command's own defaults before Weft's.
   */
  static Config configuration(
      CommandLine command,
      Map<String, ?> options,
      @Nullable Path file,
      Map<String, ?> commandDefaults) {
    Config config = ConfigFactory.parseMap(options).withFallback(ConfigFactory.systemProperties());
    try {
      if (file != null) {
        if (!Files.isRegularFile(file)) {
          throw new ParameterException(command, "--config: there is no file " + file);
        }
        config = config.withFallback(ConfigFactory.parseFile(file.toFile()));
      }
      return config
          .withFallback(ConfigFactory.parseMap(commandDefaults))
          .withFallback(ConfigFactory.load())
          .resolve();
    } catch (ConfigException e) {
      throw new ParameterException(command, "--config: " + e.getMessage(), e);
    }
  }

  /**
   * Starts a store and waits until it serves.
   *
   * @param afterInterrupt runs once the store is shut down because the process is being ended
   */
  static OpenStore start(CommandLine command, Config config, Runnable afterInterrupt)
      throws CommandFailed {
    ChunkStore store;
    // Before there are threads: what they would log meanwhile is announced as intercepted.
    var _ = LoggerFactory.getILoggerFactory();
    try {
      store = ChunkStore.start(config);
    } catch (IllegalArgumentException wrong) {
      throw new ParameterException(command, String.valueOf(wrong.getMessage()), wrong);
    }
    StoreStatus ready = await(store.ready());
    if (!ready.serving()) {
      store.close();
      throw new CommandFailed(ExitCodes.FAILURE, "the store did not start: " + ready.detail());
    }
    OpenStore open = new OpenStore(store, ready, config, afterInterrupt);
    Runtime.getRuntime().addShutdownHook(open.whenInterrupted);
    return open;
  }

  ChunkStore store() {
    return store;
  }

  /** As it was when it began to serve. */
  StoreStatus ready() {
    return ready;
  }

  /** The setting that the store was started with. */
  String setting(String key) {
    return config.getString(key);
  }

  /** Commands run on threads of their own, which may wait. */
  static <T> T await(CompletionStage<T> stage) {
    return stage.toCompletableFuture().join();
  }

  @Override
  public void close() {
    store.close();
    try {
      Runtime.getRuntime().removeShutdownHook(whenInterrupted);
    } catch (IllegalStateException endingAlready) {
      // The hook is running, and finds the store closed.
    }
  }
}
