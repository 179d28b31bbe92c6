package io.weft.fabric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.ConfigUtil;
import io.weft.base.FabricSettings;
import io.weft.base.Ticker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Values of the configuration that would like to be options of nvme-cli, of mount, or of the
 * kernel: each is refused at the start with key and mend, or stays inside one argument.
 */
class HostileSettingsTest {
  private static final List<String> HOSTILE =
      List.of(
          "--host-iface",
          "-n",
          "-",
          "a b",
          "a\nb",
          "a\tb",
          "a\0b",
          "a,nr_io_queues=1",
          ",traddr=10.9.9.9",
          "a=b",
          "$(reboot)",
          "`reboot`",
          "a;reboot",
          "a|reboot",
          "'",
          "\"",
          "\\",
          "%s%n");

  /** Each text of the block, and the option that it becomes. */
  private static final List<List<String>> TEXTS =
      List.of(
          List.of("weft.nvmeof.paths = [ { address = 10.0.0.1, service = VALUE } ]", "--trsvcid="),
          List.of("weft.nvmeof.paths = [ { address = VALUE } ]", "--traddr="),
          List.of(
              "weft.nvmeof.paths = [ { address = 10.0.0.1, host-address = VALUE } ]",
              "--host-traddr="),
          List.of(
              "weft.nvmeof.paths = [ { address = 10.0.0.1, host-interface = VALUE } ]",
              "--host-iface="),
          List.of("weft.nvmeof.subsystem-nqn = VALUE", "--nqn="),
          List.of("weft.nvmeof.host-nqn = VALUE", "--hostnqn="),
          List.of("weft.nvmeof.host-id = VALUE", "--hostid="),
          List.of("weft.nvmeof.tls { enabled = on, keyring = VALUE }", "--keyring="),
          List.of("weft.nvmeof.tls { enabled = on, key-id = VALUE }", "--tls_key="),
          List.of("weft.nvmeof.tls { enabled = on, key-identity = VALUE }", "--tls_key_identity="));

  @TempDir Path folder;

  static Stream<Arguments> texts() {
    return TEXTS.stream()
        .flatMap(
            text ->
                HOSTILE.stream()
                    .map(hostile -> Arguments.of(text.getFirst(), text.getLast(), hostile)));
  }

  @ParameterizedTest(name = "{index}")
  @MethodSource("texts")
  void aTextIsRefusedOrOneField(String setting, String option, String hostile)
      throws FabricException {
    String written = setting.replace("VALUE", ConfigUtil.quoteString(hostile));
    FabricSettings settings;
    try {
      settings = Settings.of(written);
    } catch (IllegalArgumentException refused) {
      String message = String.valueOf(refused.getMessage());
      assertTrue(message.startsWith("weft.nvmeof."), message);
      assertTrue(message.contains(" = "), message);
      return;
    }
    NvmeCli nvme =
        new NvmeCli(
            settings,
            (_, _) -> new CommandRunner.Result(0, "", ""),
            Path.of("/nonexistent"),
            Ticker.system());
    List<String> arguments = nvme.connectCommand(settings.paths().getFirst()).arguments();
    List<String> own = arguments.stream().filter(each -> each.startsWith(option)).toList();
    assertEquals(1, own.size(), arguments::toString);
    String value = own.getFirst().substring(option.length());
    assertEquals(hostile, value);
    assertFalse(value.startsWith("-") || value.contains(","), "it leaves its field: " + value);
    assertTrue(value.chars().allMatch(c -> c >= ' '), "control characters: " + value);
    assertEquals(
        arguments.size() - 2,
        arguments.stream().filter(each -> each.startsWith("--")).count(),
        "beside the command and its verb there are options of ours alone");
  }

  @Test
  void mountOptionsStayOneArgumentBehindTheirFlag() throws Exception {
    for (String hostile : HOSTILE) {
      FabricSettings settings;
      try {
        settings = Settings.of("weft.nvmeof.mount-options = " + ConfigUtil.quoteString(hostile));
      } catch (IllegalArgumentException refused) {
        assertTrue(refused.getMessage().startsWith("weft.nvmeof.mount-options = "));
        continue;
      }
      List<List<String>> ran = new ArrayList<>();
      SystemMounts mounts =
          new SystemMounts(
              (command, _) -> {
                ran.add(command.arguments());
                return new CommandRunner.Result(1, "", "refused");
              },
              Duration.ofSeconds(1));
      Path odd = Files.createDirectories(folder.resolve("-o remount,rw"));
      assertThrows(
          FabricException.class,
          () -> mounts.mount(Path.of("/dev/-odd"), odd, "ext4", settings.mountOptions()));
      assertEquals(
          List.of("mount", "-t", "ext4", "-o", hostile, "--", "/dev/-odd", odd.toString()),
          ran.getFirst());
    }
  }

  /** The kernel names devices and controllers; what does not look like one is never an argument. */
  @Test
  void aDeviceNameIsTheKernels() throws Exception {
    Path block = folder.resolve("block");
    for (String name : List.of("--nvme0n1", "nvme0n1 --force", "nvme0n1p1", "sda", "nvme0c0n1")) {
      Path device = Files.createDirectories(block.resolve(name).resolve("device"));
      Files.writeString(device.resolve("subsysnqn"), Settings.NQN);
      Files.writeString(block.resolve(name).resolve("nsid"), "1");
      Files.writeString(block.resolve(name).resolve("dev"), "259:0");
    }
    NvmeCli nvme =
        new NvmeCli(
            Settings.of(), (_, _) -> new CommandRunner.Result(0, "", ""), folder, Ticker.system());
    assertTrue(nvme.blockDevice().isEmpty());
  }
}
