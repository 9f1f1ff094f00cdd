// Must not compile with -Werror: a status is dropped.
#include "imle.hpp"

void drop() {
    imle::own_solver(imle::shape()).noise(imle::key(), {});
}
