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
import java.nio.file.StandardOpenOption;
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

  /** A line of nvme-cli's, with the kernel's word in it, and what it means. */
  private record Meaning(Pattern said, FabricException.Kind kind) {
    static Meaning of(String regex, FabricException.Kind kind) {
      return new Meaning(Pattern.compile(regex, Pattern.CASE_INSENSITIVE), kind);
    }
  }

  /**
   * The first that is found in any line counts. Whole phrases: texts name files and options too.
   */
  private static final List<Meaning> MEANINGS =
      List.of(
          Meaning.of("unrecognized option|invalid option", FabricException.Kind.NO_COMMAND),
          Meaning.of(
              "permission denied|operation not permitted", FabricException.Kind.NO_PERMISSION),
          Meaning.of(
              "failed to open (/dev/)?nvme-fabrics|failed to scan topology"
                  + "|no handler found for transport|not supported|unknown parameter",
              FabricException.Kind.NO_KERNEL_SUPPORT),
          Meaning.of("connection refused", FabricException.Kind.REFUSED),
          Meaning.of(
              "(required|tls|psk|secret|key)\\b.{0,40} (not available|is missing)"
                  + "|key (was rejected|has expired|has been revoked)"
                  + "|(invalid|failed to [a-z]+) (\\w+ ){0,2}(key|psk|secret|keyring)\\b"
                  + "|authentication (failed|required|error)",
              FabricException.Kind.SECRET),
          Meaning.of(
              "cannot assign requested address|no route to host|(network|host) is unreachable"
                  + "|connection timed out|failed to resolve host|invalid interface"
                  + "|invalid arguments",
              FabricException.Kind.UNREACHABLE),
          Meaning.of("hostnqn already in use", FabricException.Kind.HOST_IN_USE),
          Meaning.of(
              "subsystem not found|connect rejected|input/output error",
              FabricException.Kind.WRONG_NQN));

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
      throw failure(command, "discover", path, result);
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
    CommandLine command = connectCommand(path);
    CommandRunner.Result result = run(command);
    long deadline = ticker.nanoTime() + settings.commandTimeout().toNanos();
    do {
      for (Controller controller : controllers()) {
        if (leadsTo(controller, path)) {
          // After "already connected" somebody else was faster: it is theirs.
          if (before.contains(controller.name()) || !result.ok()) {
            return Optional.empty();
          }
          setFastIoFail(controller);
          return Optional.of(controller);
        }
      }
      if (!result.ok()) {
        throw failure(command, "connect", path, result);
      }
      pause();
    } while (ticker.nanoTime() - deadline < 0);
    throw new FabricException(
        FabricException.Kind.TIMEOUT,
        "nvme connect to %s succeeded, and the kernel shows no controller of it"
            .formatted(describe(path)));
  }

  /**
   * Through sysfs, which every kernel that knows it has; nvme-cli only has the flag since 2.16. A
   * controller that cannot have it does not stay.
   */
  private void setFastIoFail(Controller controller) throws FabricException {
    if (settings.fastIoFail().isEmpty()) {
      return;
    }
    Path attribute =
        sysfs.resolve("class/nvme").resolve(controller.name()).resolve("fast_io_fail_tmo");
    try {
      Files.writeString(
          attribute,
          Long.toString(settings.fastIoFail().get().toSeconds()),
          StandardOpenOption.WRITE,
          StandardOpenOption.TRUNCATE_EXISTING);
    } catch (IOException refused) {
      FabricException failure =
          new FabricException(
              FabricException.Kind.NO_KERNEL_SUPPORT,
              "weft.nvmeof.fast-io-fail-timeout cannot be set at %s (set it to off): %s"
                  .formatted(attribute, refused),
              refused);
      try {
        disconnect(controller);
      } catch (FabricException alsoFailed) {
        failure.addSuppressed(alsoFailed);
      }
      throw failure;
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
    while (controllers().stream().anyMatch(controller::is)) {
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
      found.add(
          controller(
              entry.getFileName().toString(),
              attribute(entry, "transport"),
              attribute(entry, "address"),
              attribute(entry, "state"),
              identity(entry)));
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
          found.add(
              controller(
                  text(path, "Name"),
                  text(path, "Transport"),
                  text(path, "Address"),
                  text(path, "State"),
                  ""));
        }
      }
    }
    return found;
  }

  @Override
  public NamespaceIdentity identify(BlockDevice device) throws FabricException {
    CommandRunner.Result result =
        run(
            new CommandLine(
                settings.command(), "id-ns", device.path().toString(), "--output-format=json"));
    if (!result.ok()) {
      throw new FabricException(
          FabricException.Kind.OTHER,
          "nvme id-ns of %s: %s".formatted(device.path(), result.lastWords()));
    }
    JsonNode namespace = json("id-ns", result.output());
    // The low four bits of flbas name the format in use; its ds is a power of two.
    int format = namespace.path("flbas").asInt() & 0xf;
    int shift = namespace.path("lbafs").path(format).path("ds").asInt();
    return new NamespaceIdentity(
        namespace.path("nsze").asLong() << shift, 1 << shift, text(namespace, "nguid"));
  }

  @Override
  public List<ListedDevice> devices() throws FabricException {
    CommandRunner.Result result =
        run(new CommandLine(settings.command(), "list", "--output-format=json"));
    if (!result.ok()) {
      throw new FabricException(FabricException.Kind.OTHER, "nvme list: " + result.lastWords());
    }
    List<ListedDevice> found = new ArrayList<>();
    for (JsonNode device : json("list", result.output()).path("Devices")) {
      found.add(new ListedDevice(text(device, "DevicePath"), device.path("NameSpace").asInt()));
    }
    return found;
  }

  @Override
  public Optional<BlockDevice> blockDevice() throws FabricException {
    Optional<BlockDevice> found = Optional.empty();
    for (Path entry : entries(sysfs.resolve("block"))) {
      String name = entry.getFileName().toString();
      // nvme0c1n1 is one path of a multipath device, not the device.
      if (!name.matches("nvme\\d+n\\d+")
          || !attribute(entry, "nsid").equals(String.valueOf(settings.namespaceId()))) {
        continue;
      }
      if (attribute(entry.resolve("device"), "subsysnqn").equals(settings.subsystemNqn())) {
        BlockDevice device = new BlockDevice(Path.of("/dev", name), attribute(entry, "dev"));
        if (found.isPresent()) {
          throw new FabricException(
              FabricException.Kind.OTHER,
              "%s and %s are the same namespace: native multipath is off (nvme_core.multipath=Y), and"
                      .formatted(found.get().path(), device.path())
                  + " two mounts of it would destroy the filesystem");
        }
        found = Optional.of(device);
      }
    }
    return found;
  }

  // ---------------------------------------------------------------- small helpers

  private static Controller controller(
      String name, String transport, String address, String state, String identity) {
    Map<String, String> fields = addressFields(address);
    return new Controller(
        name,
        transport,
        fields.getOrDefault("traddr", ""),
        fields.getOrDefault("trsvcid", ""),
        fields.getOrDefault("host_traddr", ""),
        fields.getOrDefault("host_iface", ""),
        state,
        identity);
  }

  /** The kernel counts the nodes of sysfs, while it gives names out again. */
  private static String identity(Path entry) {
    try {
      return Files.getAttribute(entry, "unix:ino").toString();
    } catch (IOException gone) {
      return "";
    }
  }

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
        && (path.service().isEmpty() || controller.service().equals(path.service()))
        && (path.hostAddress().isEmpty()
            || sameAddress(controller.hostAddress(), path.hostAddress()))
        && (path.hostInterface().isEmpty()
            || controller.hostInterface().equals(path.hostInterface()));
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

  /** The one line of the file; never part of a message. */
  private static String secret(Path file) throws FabricException {
    String secret;
    try {
      secret = Files.readString(file, StandardCharsets.US_ASCII).strip();
    } catch (IOException unreadable) {
      throw new FabricException(
          FabricException.Kind.SECRET,
          "the secret's file %s cannot be read: %s"
              .formatted(file, unreadable.getClass().getSimpleName()));
    }
    if (!secret.startsWith("DHHC-1:") || !secret.chars().allMatch(c -> c > ' ' && c != 127)) {
      throw new FabricException(
          FabricException.Kind.SECRET,
          "the secret's file %s must hold one line, DHHC-1:...".formatted(file));
    }
    return secret;
  }

  /** What went wrong, by what nvme-cli said; not by what it repeats of ours. */
  private FabricException failure(
      CommandLine command,
      String step,
      FabricSettings.PathSettings path,
      CommandRunner.Result result) {
    String said = command.hide(result.errors() + "\n" + result.output());
    FabricException.Kind kind = FabricException.Kind.OTHER;
    String words = command.hide(result.lastWords());
    search:
    for (Meaning meaning : MEANINGS) {
      for (String line : said.lines().toList()) {
        if (meaning.said().matcher(withoutOurs(line, path)).find()) {
          kind = meaning.kind();
          words = line.strip();
          break search;
        }
      }
    }
    return new FabricException(
        kind,
        "nvme %s of %s at %s: %s".formatted(step, settings.subsystemNqn(), describe(path), words));
  }

  private String withoutOurs(String line, FabricSettings.PathSettings path) {
    String rest = line;
    for (String ours :
        List.of(
            settings.subsystemNqn(),
            settings.hostNqn(),
            settings.security().tlsKeyring(),
            settings.security().tlsKeyIdentity(),
            path.address(),
            path.hostInterface())) {
      rest = ours.isEmpty() ? rest : rest.replace(ours, "*");
    }
    return rest;
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
