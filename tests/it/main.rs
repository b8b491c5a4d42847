//! The integration tests: one binary, one folder for each part of the house.

mod memory;
