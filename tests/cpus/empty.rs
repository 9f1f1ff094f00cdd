//! This library is empty, because the package has only tests.
