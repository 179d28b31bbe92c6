package io.weft.arch;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import io.weft.base.Ticker;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The walls between the rooms: who may import whom, and what nobody may do. */
class RoomsTest {
  private static final JavaClasses MAIN =
      new ClassFileImporter()
          .importUrl(Ticker.class.getProtectionDomain().getCodeSource().getLocation());

  private static final Set<String> JDK = Set.of("java..", "javax..", "jdk..", "com.sun.nio..");
  private static final Set<String> LOGGING = Set.of("org.slf4j..");
  private static final Set<String> CONFIG = Set.of("com.typesafe.config..");
  private static final Set<String> JSON = Set.of("com.fasterxml.jackson..");
  private static final Set<String> FIGURES = Set.of("org.HdrHistogram..");
  // Not "..", which leaves out packages of one segment.
  private static final Set<String> ANY = Set.of("*..");

  /** What a host sees of Pekko: typed actors, streams and the few types their signatures name. */
  private static final Set<String> PEKKO_API =
      Set.of(
          "org.apache.pekko",
          "org.apache.pekko.actor.typed..",
          "org.apache.pekko.stream..",
          "org.apache.pekko.japi..");

  private static final Set<String> PEKKO = Set.of("org.apache.pekko..", "scala..");

  /** A room, the rooms that it may import, and the libraries beside the JDK. */
  record Room(String name, Set<String> rooms, Set<Set<String>> libraries) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static final Set<String> BELOW_BOOT =
      Set.of(
          "base", "core", "device", "fabric", "api", "stream", "actor", "adapter", "resp",
          "observe");

  private static final List<Room> ROOMS =
      List.of(
          new Room("base", Set.of(), Set.of(CONFIG)),
          new Room("core", Set.of("base"), Set.of()),
          new Room("device", Set.of("base"), Set.of(LOGGING)),
          new Room("fabric", Set.of("base"), Set.of(LOGGING, JSON)),
          new Room("api", Set.of("base"), Set.of(LOGGING, CONFIG, PEKKO_API)),
          new Room("stream", Set.of("base", "api", "core"), Set.of(LOGGING, PEKKO)),
          new Room(
              "actor",
              Set.of("base", "core", "device", "fabric", "api", "stream"),
              Set.of(LOGGING, CONFIG, PEKKO, FIGURES)),
          new Room("adapter", Set.of("base", "api"), Set.of(LOGGING, CONFIG, JSON, PEKKO_API)),
          new Room("resp", Set.of("base", "api"), Set.of(LOGGING, CONFIG, PEKKO)),
          new Room("observe", Set.of("base", "api"), Set.of(LOGGING, CONFIG, JSON, PEKKO, FIGURES)),
          new Room("boot", BELOW_BOOT, Set.of(ANY)),
          new Room("cli", with(BELOW_BOOT, "boot"), Set.of(ANY)));

  static List<Room> rooms() {
    return ROOMS;
  }

  @Test
  void theClassesUnderTestAreTheProduct() {
    assertTrue(MAIN.contain(Ticker.class));
    assertTrue(
        MAIN.stream().noneMatch(each -> each.getName().equals(RoomsTest.class.getName())),
        "test classes are not bound by the walls");
  }

  @Test
  void everyClassIsInARoom() {
    String[] packages = ROOMS.stream().map(room -> inside(room.name())).toArray(String[]::new);
    check(classes().should().resideInAnyPackage(packages));
  }

  @ParameterizedTest
  @MethodSource("rooms")
  void aRoomImportsOnlyWhatItMay(Room room) {
    List<String> allowed = new ArrayList<>(JDK);
    allowed.add("org.jspecify..");
    room.libraries().forEach(allowed::addAll);
    Stream.concat(Stream.of(room.name()), room.rooms().stream())
        .map(RoomsTest::inside)
        .forEach(allowed::add);
    // ANY library must not let in the rooms that are not listed.
    DescribedPredicate<JavaClass> listed =
        resideInAnyPackage(allowed.toArray(String[]::new))
            .and(
                DescribedPredicate.not(
                    resideInAnyPackage(
                        ROOMS.stream()
                            .map(Room::name)
                            .filter(name -> !mayImport(room, name))
                            .map(RoomsTest::inside)
                            .toArray(String[]::new))))
            .or(describe("primitive", JavaClass::isPrimitive))
            .or(describe("array of primitives", each -> each.getBaseComponentType().isPrimitive()))
            .as("%s may import", room);
    check(
        classes()
            .that()
            .resideInAPackage(inside(room.name()))
            .should()
            .onlyDependOnClassesThat(listed));
  }

  private static boolean mayImport(Room room, String name) {
    return room.name().equals(name) || room.rooms().contains(name);
  }

  @Test
  void roomsFormNoCycle() {
    check(slices().matching("io.weft.(*)..").should().beFreeOfCycles());
  }

  /** Core decides, and a seeded simulation must be able to drive it: no I/O and no threads. */
  @Test
  void coreHasNoThreadsAndNoInputOutput() {
    DescribedPredicate<JavaClass> threadsOrInputOutput =
        resideInAnyPackage(
                "java.io..",
                "java.net..",
                "java.nio.channels..",
                "java.nio.file..",
                "java.util.concurrent..")
            .and(DescribedPredicate.not(type(TimeUnit.class)))
            .or(assignableTo(Thread.class))
            .or(type(ThreadLocal.class))
            .as("are threads, locks, executors, files or sockets");
    check(
        noClasses()
            .that()
            .resideInAPackage(inside("core"))
            .should()
            .dependOnClassesThat(threadsOrInputOutput));
  }

  @Test
  void coreHasNoMonitors() {
    check(
        methods()
            .that()
            .areDeclaredInClassesThat()
            .resideInAPackage(inside("core"))
            .should()
            .notHaveModifier(JavaModifier.SYNCHRONIZED));
  }

  /** The same seed must give the same run. */
  @Test
  void coreHasNoRandomnessWithoutASeed() {
    DescribedPredicate<JavaAccess<?>> unseeded =
        calls(Math.class, "random")
            .or(calls(java.util.UUID.class, "randomUUID"))
            .or(calls(RandomGenerator.class, "getDefault", "of"))
            .or(calls(System.class, "identityHashCode"))
            .or(
                accesses(
                    "an unseeded generator's constructor",
                    access ->
                        access.getTarget().getName().equals("<init>")
                            && access.getTargetOwner().isAssignableTo(RandomGenerator.class)
                            && !access.getTarget().getFullName().contains("(long)")))
            .or(
                accesses(
                    "Collections.shuffle(List)",
                    access ->
                        access
                            .getTarget()
                            .getFullName()
                            .equals("java.util.Collections.shuffle(java.util.List)")));
    check(
        noClasses()
            .that()
            .resideInAPackage(inside("core"))
            .should()
            .accessTargetWhere(unseeded.as("the random source has no seed")));
  }

  /** Time comes from the ticker, so that tests and simulations can turn the clock by hand. */
  @Test
  void onlyTheTickerReadsTheClock() {
    DescribedPredicate<JavaAccess<?>> clock =
        calls(System.class, "currentTimeMillis", "nanoTime")
            .or(
                accesses(
                    "java.time's clocks",
                    access ->
                        access.getTargetOwner().getPackageName().startsWith("java.time")
                            && (access.getTarget().getName().equals("now")
                                || access.getTarget().getName().startsWith("system")
                                || access.getTarget().getName().startsWith("tick"))))
            .or(
                accesses(
                    "new Date()",
                    access -> access.getTarget().getFullName().equals("java.util.Date.<init>()")));
    check(
        noClasses()
            .that()
            .resideOutsideOfPackage(inside("cli"))
            .and()
            .doNotHaveFullyQualifiedName("io.weft.base.Ticker")
            .and()
            .doNotHaveFullyQualifiedName("io.weft.base.SystemTicker")
            .should()
            .accessTargetWhere(clock.as("a clock is read")));
  }

  /** Interrupting a thread closes the channel that it is reading for everyone else. */
  @Test
  void nobodyInterruptsAThread() {
    DescribedPredicate<JavaAccess<?>> interrupts =
        calls(Thread.class, "interrupt").or(calls(ExecutorService.class, "shutdownNow"));
    check(noClasses().should().accessTargetWhere(interrupts.as("a thread is interrupted")));
  }

  @Test
  void nobodySleeps() {
    DescribedPredicate<JavaAccess<?>> sleeps =
        calls(Thread.class, "sleep").or(calls(TimeUnit.class, "sleep"));
    check(noClasses().should().accessTargetWhere(sleeps.as("a thread sleeps")));
  }

  @Test
  void onlyTheCommandLineExits() {
    DescribedPredicate<JavaAccess<?>> exits =
        calls(System.class, "exit").or(calls(Runtime.class, "exit", "halt"));
    check(
        noClasses()
            .that(DescribedPredicate.not(resideInAPackage(inside("cli"))))
            .should()
            .accessTargetWhere(exits.as("the host's process is exited")));
  }

  private static Set<String> with(Set<String> rooms, String another) {
    return Stream.concat(rooms.stream(), Stream.of(another)).collect(Collectors.toSet());
  }

  private static String inside(String room) {
    return "io.weft." + room + "..";
  }

  /** A call of one of these methods, or a reference to it; on a subclass too. */
  private static DescribedPredicate<JavaAccess<?>> calls(Class<?> owner, String... names) {
    return accesses(
        owner.getSimpleName() + "." + String.join("|", names),
        access ->
            access.getTargetOwner().isAssignableTo(owner)
                && List.of(names).contains(access.getTarget().getName()));
  }

  private static DescribedPredicate<JavaAccess<?>> accesses(
      String description, java.util.function.Predicate<JavaAccess<?>> predicate) {
    return describe(description, predicate);
  }

  /** A room may still be empty: its wall stands before it does. */
  private static void check(ArchRule rule) {
    rule.allowEmptyShould(true).check(MAIN);
  }
}
