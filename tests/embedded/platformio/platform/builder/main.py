"""Builds programs with the variables `compiler`, `core`, `compile` and `link` of boards.sh, from the environment."""

import os

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
compiler, core, compile_, link = (os.environ[name].split() for name in ("compiler", "core", "compile", "link"))
tools = compiler[0].removesuffix("gcc")
env.Replace(CC=compiler, AR=tools + "ar", RANLIB=tools + "ranlib", LINK=compiler, PROGSUFFIX=".elf")
env.Append(CCFLAGS=core + compile_, LINKFLAGS=core + link)
Default(env.BuildProgram())
