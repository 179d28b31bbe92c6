package io.weft.core;

import java.lang.reflect.InvocationTargetException;
import java.util.List;
import java.util.Locale;

/** Eviction policies by name: those of this package, and any class that a host brings along. */
public final class Policies {
  /** The names of the policies of this package, as a snapshot and a report write them. */
  public static final List<String> NAMES = List.of("lru", "lfu", "fifo", "mru", "s3fifo");

  private Policies() {}

  /**
   * The one spelling of a name: {@code LRU} is {@code lru}, {@code S3-FIFO} is {@code s3fifo}, a
   * class name is itself. The name need not be a policy's.
   */
  public static String canonical(String name) {
    String lower = name.strip().toLowerCase(Locale.ROOT);
    String known = lower.equals("s3-fifo") ? "s3fifo" : lower;
    return NAMES.contains(known) ? known : name.strip();
  }

  /** {@link #create(String, PolicyContext, ClassLoader)} with the class loader of the store. */
  public static EvictionPolicy create(String name, PolicyContext context) {
    return create(name, context, Policies.class.getClassLoader());
  }

  /**
   * Makes a policy.
   *
   * @param name one of {@link #NAMES}, in any case, or the binary name of a class
   * @throws IllegalArgumentException where there is no such policy, with the names that there are
   *     and what a class must look like
   */
  public static EvictionPolicy create(String name, PolicyContext context, ClassLoader loader) {
    return switch (canonical(name)) {
      case "lru" -> new LruPolicy(context);
      case "lfu" -> new LfuPolicy(context);
      case "fifo" -> new FifoPolicy(context);
      case "mru" -> new MruPolicy(context);
      case "s3fifo" -> new S3FifoPolicy(context);
      default -> load(name.strip(), context, loader);
    };
  }

  private static EvictionPolicy load(String name, PolicyContext context, ClassLoader loader) {
    try {
      return Class.forName(name, true, loader)
          .asSubclass(EvictionPolicy.class)
          .getConstructor(PolicyContext.class)
          .newInstance(context);
    } catch (ClassNotFoundException | LinkageError e) {
      throw refusal(name, "no class of that name can be loaded (" + e + ")", e);
    } catch (ClassCastException e) {
      throw refusal(name, "the class does not implement EvictionPolicy", e);
    } catch (NoSuchMethodException | IllegalAccessException e) {
      throw refusal(name, "the class, or its constructor for a PolicyContext, is not public", e);
    } catch (InstantiationException e) {
      throw refusal(name, "the class is abstract", e);
    } catch (InvocationTargetException e) {
      throw refusal(name, "its constructor failed: " + e.getCause(), e);
    }
  }

  private static IllegalArgumentException refusal(String name, String reason, Throwable cause) {
    return new IllegalArgumentException(
        "'"
            + name
            + "' is no eviction policy: "
            + reason
            + ". Name one of "
            + String.join(", ", NAMES)
            + ", or a public class that implements "
            + EvictionPolicy.class.getName()
            + " and has a public constructor with one parameter, "
            + PolicyContext.class.getName(),
        cause);
  }
}
