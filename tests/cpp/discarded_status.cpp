// This file must not compile with -Werror, because it ignores a status.
#include "imle.hpp"

void drop() {
    imle::own_solver(imle::shape()).noise(imle::key(), {});
}
