// Says where the profile goes where the environment does not: keepers and agents are started with an environment of
// their own, and would write theirs into whatever folder they stand in.
#include <stdlib.h>

__attribute__((constructor(101))) static void say_where(void) { setenv("LLVM_PROFILE_FILE", PROFILES, 0); }
