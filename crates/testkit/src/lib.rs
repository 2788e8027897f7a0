//! Services, faults, fakes and acceptance suites for tests.
