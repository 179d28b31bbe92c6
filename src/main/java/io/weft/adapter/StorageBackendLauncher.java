package io.weft.adapter;

import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts the storage plugins that a configuration names, as LMCache does: {@code storage_plugins}
 * lists names, and the flat keys {@code storage_plugin.<name>.module_path} and {@code
 * storage_plugin.<name>.class_name} say which class each is: here a Java package and the class in
 * it. One that does not start is logged and left out, and the engine starts without it.
 */
public final class StorageBackendLauncher {
  private static final Logger LOG = LoggerFactory.getLogger(StorageBackendLauncher.class);

  /** What became of one name. */
  public sealed interface Outcome {
    String name();

    /** It runs, and is the caller's to close. */
    record Started(String name, StorageBackend backend) implements Outcome {}

    /** It is not there, and why; nothing of it runs. */
    record Skipped(String name, String why) implements Outcome {}
  }

  private StorageBackendLauncher() {}

  /**
   * Classes are found by the calling thread's context class loader, or by Weft's own where it has
   * none. Blocks while the plugins start, one after the other.
   *
   * @param storagePlugins the names, in the order in which they start
   * @param extraConfig LMCache's flat {@code extra_config}, handed to every plugin
   * @param allocatorBackend who provides the memory of loads
   * @return one outcome a name, in order
   */
  public static List<Outcome> launch(
      List<String> storagePlugins,
      Map<String, ? extends @Nullable Object> extraConfig,
      AllocatorBackend allocatorBackend) {
    List<Outcome> outcomes = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (String name : storagePlugins) {
      Outcome outcome =
          names.add(name)
              ? start(new StoragePluginContext(name, extraConfig, allocatorBackend))
              : new Outcome.Skipped(name, "storage_plugins names it twice: leave one out");
      if (outcome instanceof Outcome.Skipped(String skipped, String why)) {
        LOG.error("storage plugin {} is left out: {}", skipped, why);
      }
      outcomes.add(outcome);
    }
    return List.copyOf(outcomes);
  }

  /** A failure of any kind, a class that does not link included, leaves out this plugin alone. */
  private static Outcome start(StoragePluginContext context) {
    String name = context.name();
    try {
      String className = value(context, "module_path") + "." + value(context, "class_name");
      Class<?> found = find(context, className);
      if (!StorageBackend.class.isAssignableFrom(found)) {
        throw wrong(context, "class_name", className + " is no " + StorageBackend.class.getName());
      }
      return new Outcome.Started(
          name,
          (StorageBackend) found.getConstructor(StoragePluginContext.class).newInstance(context));
    } catch (InvocationTargetException thrown) {
      Throwable cause = thrown.getCause();
      if (cause instanceof VirtualMachineError fatal) {
        throw fatal;
      }
      LOG.debug("storage plugin {}", name, cause);
      return new Outcome.Skipped(
          name,
          // What is wrong in a configuration says so in whole sentences.
          cause instanceof IllegalArgumentException && cause.getMessage() != null
              ? cause.getMessage()
              : String.valueOf(cause));
    } catch (NoSuchMethodException _) {
      return new Outcome.Skipped(
          name,
          "its class has no public constructor with one %s: give it one"
              .formatted(StoragePluginContext.class.getName()));
    } catch (IllegalArgumentException wrong) {
      return new Outcome.Skipped(name, String.valueOf(wrong.getMessage()));
    } catch (ReflectiveOperationException | LinkageError | RuntimeException failed) {
      return new Outcome.Skipped(name, failed.toString());
    }
  }

  private static Class<?> find(StoragePluginContext context, String className) {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    try {
      return Class.forName(
          className, true, loader == null ? StorageBackendLauncher.class.getClassLoader() : loader);
    } catch (ClassNotFoundException _) {
      throw wrong(
          context,
          "class_name",
          "there is no class " + className + ": is its jar on the class path?");
    }
  }

  private static String value(StoragePluginContext context, String part) {
    Object value = context.extraConfig().get(key(context, part));
    if (value == null || value.toString().isBlank()) {
      throw wrong(
          context,
          part,
          part.equals("module_path")
              ? "it is missing: name the package of the plugin's class"
              : "it is missing: name the plugin's class, without its package");
    }
    return value.toString().strip();
  }

  private static IllegalArgumentException wrong(
      StoragePluginContext context, String part, String mend) {
    return new IllegalArgumentException(key(context, part) + ": " + mend);
  }

  private static String key(StoragePluginContext context, String part) {
    return "storage_plugin." + context.name() + "." + part;
  }
}
