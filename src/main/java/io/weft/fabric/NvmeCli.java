package io.weft.fabric;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.weft.base.FabricSettings;
import io.weft.base.Ticker;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The fabric through nvme-cli. Its exit codes lie (already connected is 1, disconnecting an unknown
 * subsystem is 0), so a step counts as done when the kernel's state says so: {@code list-subsys -o
 * json}, in both shapes that versions of nvme-cli print, and sysfs.
 *
 * <p>Only JSON is parsed. Never {@code disconnect-all}; never a shell.
 */
public final class NvmeCli implements FabricControl {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern VERSION = Pattern.compile("nvme version (\\d+)\\.(\\d+)");
  private static final int MAJOR_LEAST = 2;
  private static final long FOREVER = -1;

  /** What nvme-cli and the kernel say, and what it means; the first that matches counts. */
  private static final List<Map.Entry<String, FabricException.Kind>> MEANINGS =
      List.of(
          Map.entry("permission denied", FabricException.Kind.NO_PERMISSION),
          Map.entry("operation not permitted", FabricException.Kind.NO_PERMISSION),
          Map.entry("failed to open nvme-fabrics", FabricException.Kind.NO_KERNEL_SUPPORT),
          Map.entry("failed to open /dev/nvme-fabrics", FabricException.Kind.NO_KERNEL_SUPPORT),
          Map.entry("no handler found for transport", FabricException.Kind.NO_KERNEL_SUPPORT),
          Map.entry("not supported", FabricException.Kind.NO_KERNEL_SUPPORT),
          Map.entry("connection refused", FabricException.Kind.REFUSED),
          Map.entry("cannot assign requested address", FabricException.Kind.UNREACHABLE),
          Map.entry("no route to host", FabricException.Kind.UNREACHABLE),
          Map.entry("network is unreachable", FabricException.Kind.UNREACHABLE),
          Map.entry("connection timed out", FabricException.Kind.UNREACHABLE),
          Map.entry("invalid arguments", FabricException.Kind.UNREACHABLE),
          Map.entry("hostnqn already in use", FabricException.Kind.HOST_IN_USE),
          Map.entry("not available", FabricException.Kind.SECRET),
          Map.entry("key", FabricException.Kind.SECRET),
          Map.entry("secret", FabricException.Kind.SECRET),
          Map.entry("authentication", FabricException.Kind.SECRET),
          Map.entry("invalid parameter", FabricException.Kind.WRONG_NQN),
          Map.entry("subsystem not found", FabricException.Kind.WRONG_NQN),
          Map.entry("connect rejected", FabricException.Kind.WRONG_NQN),
          Map.entry("input/output error", FabricException.Kind.WRONG_NQN));

  private final FabricSettings settings;
  private final CommandRunner commands;
  private final Path sysfs;
  private final Ticker ticker;

  /**
   * @param sysfs {@code /sys}
   */
  public NvmeCli(FabricSettings settings, CommandRunner commands, Path sysfs, Ticker ticker) {
    this.settings = settings;
    this.commands = commands;
    this.sysfs = sysfs;
    this.ticker = ticker;
  }

  @Override
  public String check() throws FabricException {
    CommandRunner.Result result = run(new CommandLine(settings.command(), "version"));
    Matcher version = VERSION.matcher(result.output());
    if (!version.find()) {
      throw new FabricException(
          FabricException.Kind.NO_COMMAND,
          "weft.nvmeof.command = %s: '%s version' does not say a version of nvme-cli"
              .formatted(settings.command(), settings.command()));
    }
    if (Integer.parseInt(version.group(1)) < MAJOR_LEAST) {
      throw new FabricException(
          FabricException.Kind.NO_COMMAND,
          "nvme-cli %s.%s is too old: %d.0 or later is needed"
              .formatted(version.group(1), version.group(2), MAJOR_LEAST));
    }
    return version.group(1) + "." + version.group(2);
  }

  @Override
  public List<DiscoveredSubsystem> discover(FabricSettings.PathSettings path)
      throws FabricException {
    CommandLine command = new CommandLine(settings.command(), "discover");
    addPath(command, path);
    addHost(command);
    CommandRunner.Result result = run(command.add("--output-format=json"));
    if (!result.ok()) {
      throw failure("discover", path, result);
    }
    List<DiscoveredSubsystem> found = new ArrayList<>();
    for (JsonNode entry : json("discover", result.output()).path("records")) {
      found.add(
          new DiscoveredSubsystem(
              text(entry, "trtype"),
              text(entry, "traddr"),
              text(entry, "trsvcid"),
              text(entry, "subnqn")));
    }
    return found;
  }

  @Override
  public Optional<Controller> connect(FabricSettings.PathSettings path) throws FabricException {
    Set<String> before = new HashSet<>();
    for (Controller controller : controllers()) {
      before.add(controller.name());
      if (leadsTo(controller, path)) {
        return Optional.empty();
      }
    }
    CommandRunner.Result result = run(connectCommand(path));
    long deadline = ticker.nanoTime() + settings.commandTimeout().toNanos();
    do {
      for (Controller controller : controllers()) {
        if (leadsTo(controller, path)) {
          if (before.contains(controller.name())) {
            return Optional.empty();
          }
          setFastIoFail(controller);
          return Optional.of(controller);
        }
      }
      if (!result.ok()) {
        throw failure("connect", path, result);
      }
      pause();
    } while (ticker.nanoTime() - deadline < 0);
    throw new FabricException(
        FabricException.Kind.TIMEOUT,
        "nvme connect to %s succeeded, and the kernel shows no controller of it"
            .formatted(describe(path)));
  }

  /** Through sysfs, which every kernel that knows it has; nvme-cli only has the flag since 2.16. */
  private void setFastIoFail(Controller controller) throws FabricException {
    if (settings.fastIoFail().isEmpty()) {
      return;
    }
    Path attribute =
        sysfs.resolve("class/nvme").resolve(controller.name()).resolve("fast_io_fail_tmo");
    try {
      Files.writeString(attribute, Long.toString(settings.fastIoFail().get().toSeconds()));
    } catch (IOException refused) {
      throw new FabricException(
          FabricException.Kind.NO_KERNEL_SUPPORT,
          "weft.nvmeof.fast-io-fail-timeout cannot be set at %s: %s"
              .formatted(attribute, refused.getMessage()),
          refused);
    }
  }

  /** The arguments of a connect: every time-out is always said, since the kernel's are long. */
  CommandLine connectCommand(FabricSettings.PathSettings path) throws FabricException {
    CommandLine command = new CommandLine(settings.command(), "connect");
    addPath(command, path);
    command.option("nqn", settings.subsystemNqn());
    addHost(command);
    addCount(command, "nr-io-queues", settings.ioQueues());
    addCount(command, "nr-write-queues", settings.writeQueues());
    addCount(command, "nr-poll-queues", settings.pollQueues());
    addCount(command, "queue-size", settings.queueSize());
    addCount(command, "tos", settings.typeOfService());
    command.option("keep-alive-tmo", settings.keepAlive().toSeconds());
    command.option("reconnect-delay", settings.reconnectDelay().toSeconds());
    command.option(
        "ctrl-loss-tmo", settings.controllerLoss().map(Duration::toSeconds).orElse(FOREVER));
    if (settings.headerDigest()) {
      command.add("--hdr-digest");
    }
    if (settings.dataDigest()) {
      command.add("--data-digest");
    }
    if (settings.disableSubmissionFlow()) {
      command.add("--disable-sqflow");
    }
    FabricSettings.Security security = settings.security();
    if (security.hostSecretFile().isPresent()) {
      command.secretOption("dhchap-secret", secret(security.hostSecretFile().get()));
    }
    if (security.controllerSecretFile().isPresent()) {
      command.secretOption("dhchap-ctrl-secret", secret(security.controllerSecretFile().get()));
    }
    if (security.tls()) {
      command.add("--tls");
      if (!security.tlsKeyring().isEmpty()) {
        command.option("keyring", security.tlsKeyring());
      }
      if (!security.tlsKeyId().isEmpty()) {
        command.option("tls_key", security.tlsKeyId());
      }
      if (!security.tlsKeyIdentity().isEmpty()) {
        command.option("tls_key_identity", security.tlsKeyIdentity());
      }
    }
    if (security.concatenate()) {
      command.add("--concat");
    }
    return command.add("--output-format=json");
  }

  @Override
  public void disconnect(Controller controller) throws FabricException {
    CommandRunner.Result result =
        run(new CommandLine(settings.command(), "disconnect").option("device", controller.name()));
    long deadline = ticker.nanoTime() + settings.commandTimeout().toNanos();
    while (controllers().stream().anyMatch(each -> each.name().equals(controller.name()))) {
      if (ticker.nanoTime() - deadline >= 0) {
        throw new FabricException(
            FabricException.Kind.OTHER,
            "controller %s is still there after nvme disconnect: %s"
                .formatted(controller.name(), result.lastWords()));
      }
      pause();
    }
  }

  /**
   * From sysfs: what the kernel has at this moment. {@code list-subsys} reads the same attributes,
   * and starts a process for it; {@link #listed} is for comparing the two.
   */
  @Override
  public List<Controller> controllers() throws FabricException {
    List<Controller> found = new ArrayList<>();
    for (Path entry : entries(sysfs.resolve("class/nvme"))) {
      if (!attribute(entry, "subsysnqn").equals(settings.subsystemNqn())) {
        continue;
      }
      Map<String, String> address = addressFields(attribute(entry, "address"));
      found.add(
          new Controller(
              entry.getFileName().toString(),
              attribute(entry, "transport"),
              address.getOrDefault("traddr", ""),
              address.getOrDefault("trsvcid", ""),
              attribute(entry, "state")));
    }
    return List.copyOf(found);
  }

  /** The controllers of the subsystem as {@code list-subsys} shows them. */
  public List<Controller> listed() throws FabricException {
    CommandRunner.Result result =
        run(new CommandLine(settings.command(), "list-subsys", "--output-format=json"));
    if (!result.ok()) {
      throw new FabricException(
          FabricException.Kind.OTHER, "nvme list-subsys: " + result.lastWords());
    }
    return parseSubsystems(result.output(), settings.subsystemNqn());
  }

  /** What {@code list-subsys -o json} says of the subsystem: an array of hosts, or one host. */
  static List<Controller> parseSubsystems(String output, String nqn) throws FabricException {
    JsonNode root = json("list-subsys", output);
    List<Controller> found = new ArrayList<>();
    for (JsonNode host : root.isArray() ? root : List.of(root)) {
      String current = "";
      for (JsonNode entry : host.path("Subsystems")) {
        // The older shape has a subsystem's name and its paths in neighbouring entries.
        current = entry.has("NQN") ? text(entry, "NQN") : current;
        if (!current.equals(nqn)) {
          continue;
        }
        for (JsonNode path : entry.path("Paths")) {
          Map<String, String> address = addressFields(text(path, "Address"));
          found.add(
              new Controller(
                  text(path, "Name"),
                  text(path, "Transport"),
                  address.getOrDefault("traddr", ""),
                  address.getOrDefault("trsvcid", ""),
                  text(path, "State")));
        }
      }
    }
    return found;
  }

  @Override
  public Optional<BlockDevice> blockDevice() throws FabricException {
    for (Path entry : entries(sysfs.resolve("block"))) {
      String name = entry.getFileName().toString();
      // nvme0c1n1 is one path of a multipath device, not the device.
      if (!name.matches("nvme\\d+n\\d+")
          || !attribute(entry, "nsid").equals(String.valueOf(settings.namespaceId()))) {
        continue;
      }
      if (attribute(entry.resolve("device"), "subsysnqn").equals(settings.subsystemNqn())) {
        return Optional.of(new BlockDevice(Path.of("/dev", name), attribute(entry, "dev")));
      }
    }
    return Optional.empty();
  }

  // ---------------------------------------------------------------- small helpers

  private CommandRunner.Result run(CommandLine command) throws FabricException {
    return commands.run(command, settings.commandTimeout());
  }

  private void addPath(CommandLine command, FabricSettings.PathSettings path) {
    command.option("transport", settings.transport().name().toLowerCase(Locale.ROOT));
    addText(command, "traddr", path.address());
    addText(command, "trsvcid", path.service());
    addText(command, "host-traddr", path.hostAddress());
    addText(command, "host-iface", path.hostInterface());
  }

  private void addHost(CommandLine command) {
    addText(command, "hostnqn", settings.hostNqn());
    addText(command, "hostid", settings.hostId());
  }

  private static void addText(CommandLine command, String name, String value) {
    if (!value.isEmpty()) {
      command.option(name, value);
    }
  }

  private static void addCount(CommandLine command, String name, int value) {
    if (value > 0) {
      command.option(name, value);
    }
  }

  @Override
  public boolean leadsTo(Controller controller, FabricSettings.PathSettings path) {
    return sameAddress(controller.address(), path.address())
        && (path.service().isEmpty() || controller.service().equals(path.service()));
  }

  /** nvme-cli resolves host names, so the kernel knows numbers only. */
  private boolean sameAddress(String shown, String configured) {
    if (shown.equals(configured)) {
      return true;
    }
    boolean internet =
        settings.transport() == FabricSettings.Transport.TCP
            || settings.transport() == FabricSettings.Transport.RDMA;
    if (!internet || shown.isEmpty() || configured.isEmpty()) {
      return false;
    }
    try {
      InetAddress number = InetAddress.ofLiteral(shown);
      return List.of(InetAddress.getAllByName(configured)).contains(number);
    } catch (UnknownHostException | IllegalArgumentException unknown) {
      return false;
    }
  }

  private static String secret(Path file) throws FabricException {
    try {
      return Files.readString(file, StandardCharsets.US_ASCII).strip();
    } catch (IOException unreadable) {
      throw new FabricException(
          FabricException.Kind.SECRET,
          "the secret's file %s cannot be read: %s".formatted(file, unreadable.getMessage()),
          unreadable);
    }
  }

  private FabricException failure(
      String step, FabricSettings.PathSettings path, CommandRunner.Result result) {
    String said = (result.errors() + "\n" + result.output()).toLowerCase(Locale.ROOT);
    FabricException.Kind kind =
        MEANINGS.stream()
            .filter(meaning -> said.contains(meaning.getKey()))
            .map(Map.Entry::getValue)
            .findFirst()
            .orElse(FabricException.Kind.OTHER);
    return new FabricException(
        kind,
        "nvme %s of %s at %s: %s"
            .formatted(step, settings.subsystemNqn(), describe(path), result.lastWords()));
  }

  private String describe(FabricSettings.PathSettings path) {
    return "%s:%s%s"
        .formatted(
            settings.transport().name().toLowerCase(Locale.ROOT),
            path.address(),
            path.service().isEmpty() ? "" : ":" + path.service());
  }

  /** Waits a little for the kernel; nothing wakes this thread but time. */
  private void pause() {
    LockSupport.parkNanos(settings.statePollInterval().toNanos());
  }

  static Map<String, String> addressFields(String address) {
    Map<String, String> fields = new HashMap<>();
    for (String field : address.split("[, ]", -1)) {
      String[] parts = field.split("=", 2);
      if (parts.length == 2) {
        fields.put(parts[0], parts[1]);
      }
    }
    return fields;
  }

  private static JsonNode json(String step, String output) throws FabricException {
    try {
      JsonNode node = JSON.readTree(output.isBlank() ? "{}" : output);
      return node == null ? JSON.createObjectNode() : node;
    } catch (JsonProcessingException notJson) {
      throw new FabricException(
          FabricException.Kind.OTHER,
          "nvme %s printed no JSON: %s".formatted(step, notJson.getOriginalMessage()),
          notJson);
    }
  }

  private static String text(JsonNode node, String field) {
    return node.path(field).asText("");
  }

  private static List<Path> entries(Path directory) throws FabricException {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (var entries = Files.list(directory)) {
      return entries.sorted().toList();
    } catch (IOException unreadable) {
      throw new FabricException(
          FabricException.Kind.OTHER, directory + " cannot be read", unreadable);
    }
  }

  /** An attribute in sysfs; empty where it is not there, as while a device goes away. */
  private static String attribute(Path directory, String name) {
    try {
      return Files.readString(directory.resolve(name), StandardCharsets.UTF_8).strip();
    } catch (IOException gone) {
      return "";
    }
  }
}
