#!/usr/bin/env python3
"""packagers.py DIST_DIR BOARD...: checks the packages of packagers that dist.sh has made for the boards. Each must have
the layout that its format documents. The library that the format's own rules choose for a board must link with
minimal.c, which must learn on the emulated board. The rules stand here by themselves, because the tools of the formats
need a network: CMake functions with the documented meaning in place of Zephyr's and ESP-IDF's, the search path of
Arduino's specification, the environment of a PlatformIO script, and the conditions of a CMSIS pack."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LEARNT = "C F J are the best sensors"

# The formats name the core of a board in different ways: Zephyr by Kconfig symbols, ESP-IDF by its chip, Arduino by the
# directory {build.mcu}/{build.fpu}-{build.float-abi}, and CMSIS by Dcore and Dfpu. A board that a format cannot name is
# left out.
BOARDS = {
    "microbit": {"zephyr": "CPU_CORTEX_M0", "arduino": "cortex-m0", "cmsis": "Cortex-M0 NO_FPU"},
    "mps2-an386": {
        "zephyr": "CPU_CORTEX_M4 FPU FP_HARDABI",
        "arduino": "cortex-m4/fpv4-sp-d16-hard",
        "cmsis": "Cortex-M4 SP_FPU",
    },
    "mps2-an386-softfp": {"zephyr": "CPU_CORTEX_M4 FPU FP_SOFTABI", "arduino": "cortex-m4/fpv4-sp-d16-softfp"},
    "mps2-an386-soft": {"zephyr": "CPU_CORTEX_M4", "arduino": "cortex-m4", "cmsis": "Cortex-M4 NO_FPU"},
    "mps2-an385-v7m": {"zephyr": "CPU_CORTEX_M3", "arduino": "cortex-m3", "cmsis": "Cortex-M3 NO_FPU"},
    "mps2-an505": {
        "zephyr": "CPU_CORTEX_M33 FPU FP_HARDABI",
        "arduino": "cortex-m33/fpv5-sp-d16-hard",
        "cmsis": "Cortex-M33 SP_FPU",
    },
    "riscv32imc": {"zephyr": "RISCV", "esp_idf": "esp32c3", "arduino": "esp32c3"},
    "riscv32imac": {"zephyr": "RISCV RISCV_ISA_EXT_A", "esp_idf": "esp32c6", "arduino": "esp32c6"},
    "riscv32imafc": {"zephyr": "RISCV RISCV_ISA_EXT_A FPU FLOAT_HARD", "esp_idf": "esp32p4"},
}


def demand(condition, complaint):
    if not condition:
        sys.exit(f"FAIL: {complaint}")


def cmake(project):
    """The lines of the form name=value that a CMake project without a compiler prints; None if it stops."""
    with tempfile.TemporaryDirectory() as folder:
        project = f"cmake_minimum_required(VERSION 3.20)\nproject(test NONE)\n{project}"
        Path(folder, "CMakeLists.txt").write_text(project)
        done = subprocess.run(["cmake", "-S", folder, "-B", folder + "/build"], text=True, capture_output=True)
        return dict(re.findall(r"-- (\w+)=(.*)", done.stdout)) if done.returncode == 0 else None


def fields(path, separator):
    """The fields of a file that has one in each line."""
    return dict(re.split(rf" *{separator} *", line, maxsplit=1) for line in path.read_text().splitlines())


def zephyr(package, symbols):
    """https://docs.zephyrproject.org/latest/develop/modules.html"""
    module = fields(package / "zephyr/module.yml", ":")
    demand(module["name"] == "imle" and "build" in module, "zephyr/module.yml")
    demand((package / module["  kconfig"]).read_text().startswith("config IMLE\n\tbool "), "zephyr/Kconfig")
    found = cmake(f"""
        function(zephyr_include_directories directory)
          message(STATUS "include=${{directory}}")
        endfunction()
        function(zephyr_library_import name path)
          message(STATUS "library=${{path}}")
        endfunction()
        foreach(symbol IMLE {symbols})
          set(CONFIG_${{symbol}} y)
        endforeach()
        add_subdirectory({package / module["  cmake"]} module)""")
    return found and (found["include"], found["library"])


def esp_idf(package, chip):
    """https://docs.espressif.com/projects/idf-component-manager/en/latest/reference/manifest_file.html"""
    manifest = fields(package / "idf_component.yml", ":")
    demand(re.fullmatch(r'"\d+\.\d+\.\d+"', manifest["version"]) and manifest["description"], "idf_component.yml")
    if chip not in re.findall(r"\w+", manifest["targets"]):
        chip = "esp32"
    found = cmake(f"""
        function(idf_component_register)
          cmake_parse_arguments(given "" "" "INCLUDE_DIRS" ${{ARGN}})
          add_library(component INTERFACE)
          set(COMPONENT_LIB component PARENT_SCOPE)
          message(STATUS "include=${{CMAKE_CURRENT_SOURCE_DIR}}/${{given_INCLUDE_DIRS}}")
        endfunction()
        function(add_prebuilt_library name path)
          add_library(${{name}} STATIC IMPORTED)
          message(STATUS "library=${{path}}")
        endfunction()
        set(IDF_TARGET {chip})
        add_subdirectory({package} imle)""")
    return found and (found["include"], found["library"])


def arduino(package, folder):
    """https://arduino.github.io/arduino-cli/latest/library-specification/"""
    properties = fields(package / "library.properties", "=")
    needed = "name version author maintainer sentence paragraph category url architectures".split()
    demand(all(properties.get(name) for name in needed), "library.properties lacks a field")
    demand(properties["category"] == "Data Processing", "library.properties: the category is not in the list")
    demand(properties["precompiled"] == "full" and properties["ldflags"] == "-limle", "library.properties: precompiled")
    demand((package / "src" / properties["includes"]).exists(), "library.properties: includes")
    places = [package / "src" / folder, (package / "src" / folder).parent]
    library = next((str(place / "libimle.a") for place in places if (place / "libimle.a").exists()), None)
    return library and (str(package / "src"), library)


def platformio(package, flags):
    """https://docs.platformio.org/en/latest/manifests/library-json/"""
    manifest = json.loads((package / "library.json").read_text())
    demand(manifest["name"] == "imle" and re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"]), "library.json")
    build, settings = manifest["build"], {"CCFLAGS": flags.split(), "LINKFLAGS": []}

    class Environment(dict):
        def Append(self, **given):
            for name, values in given.items():
                self[name] = self.get(name, []) + values

    env, here = Environment(settings), os.getcwd()
    os.chdir(package)  # PlatformIO runs the script of a library in its folder
    try:
        exec((package / build["extraScript"]).read_text(), {"Import": lambda name: None, "env": env})
    except SystemExit:
        return None
    finally:
        os.chdir(here)
    return str(package / build["includeDir"]), f"{env['LIBPATH'][0]}/lib{env['LIBS'][0]}.a"


def cmsis(package, processor):
    """https://open-cmsis-pack.github.io/Open-CMSIS-Pack-Spec/main/html/packFormat.html"""
    pack = ElementTree.parse(package / "imle.imle.pdsc").getroot()
    order = ["vendor", "name", "description", "url", "license", "releases", "conditions", "components"]
    demand([child.tag for child in pack] == order and pack.get("schemaVersion"), "the elements of the .pdsc")
    demand((package / pack.find("license").text).exists(), "the licence of the .pdsc")
    has = dict(zip(("Dcore", "Dfpu"), processor.split()), Tcompiler="GCC")
    holds = lambda rule: all(has.get(name) == value for name, value in rule.items())
    valid = {
        condition.get("id")
        for condition in pack.iter("condition")
        if any(holds(rule.attrib) for rule in condition.iter("accept"))
        and all(holds(rule.attrib) for rule in condition.iter("require"))
    }
    files = list(pack.find("components/component/files"))
    demand(all((package / file.get("name")).exists() for file in files), "a file of the .pdsc is missing")
    include = [file.get("name") for file in files if file.get("category") == "include"]
    libraries = [file.get("name") for file in files if file.get("condition") in valid]
    demand(len(libraries) < 2, f"two libraries for {processor}")
    return (str(package / include[0]), str(package / libraries[0])) if libraries else None


FORMATS = {"zephyr": "tar.gz", "esp_idf": "tar.gz", "arduino": "zip", "platformio": "tar.gz", "cmsis": "pack"}
UNKNOWN = {"zephyr": "CPU_CORTEX_R5", "esp_idf": "esp32", "arduino": "atmega328p", "platformio": "-mcpu=cortex-r5",
           "cmsis": "Cortex-R5 NO_FPU"}  # fmt: skip


def unpack(dist, form, folder):
    archive = next(dist.glob("*.pack" if form == "cmsis" else f"imle-*-{form}.{FORMATS[form]}"))
    if FORMATS[form] == "tar.gz":
        tarfile.open(archive).extractall(folder)
    else:
        zipfile.ZipFile(archive).extractall(folder)
    return folder if form == "cmsis" else next(folder.iterdir())


def main():
    dist, boards = Path(sys.argv[1]), [board for board in sys.argv[2:] if board in BOARDS]
    with tempfile.TemporaryDirectory() as temporary:
        for form in FORMATS:
            folder = Path(temporary, form)
            folder.mkdir()
            package = unpack(dist, form, folder)
            choose, ran = globals()[form], []
            demand(choose(package, UNKNOWN[form]) is None, f"{form} has a library for {UNKNOWN[form]}")
            for board in boards:
                script = f'. {ROOT}/examples/embedded/boards/boards.sh; board {board}; '
                script += 'printf "%s\\n" "$cc" "$core" "$start" "$emulate"'
                cc, core, start, emulate = subprocess.check_output(["bash", "-c", script], text=True).splitlines()
                processor = core if form == "platformio" else BOARDS[board].get(form)  # its script reads the flags
                if processor is None:
                    continue
                chosen = choose(package, processor)
                demand(chosen, f"{form} has no library for {board}")
                program = f"{temporary}/minimal.elf"
                include, library = chosen
                source = ROOT / "examples/embedded/minimal.c"
                subprocess.check_call([*cc.split(), f"-I{include}", source, *start.split(), library, "-o", program])
                done = subprocess.run([*emulate.split(), program], stdin=subprocess.DEVNULL, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)  # fmt: skip
                demand(done.returncode == 0 and done.stdout.strip() == LEARNT, f"{form}, {board}: {done.stdout}")
                ran.append(board)
            demand(ran, f"{form}: no board was run")
            print(f"ok: {form}: the layout, and a program with its library learns on {', '.join(ran)}")


main()
