//! What the environment may and may not do to a command.

use crate::cli::throws;
use crate::fixture::Fixture;
use crate::program::Program;

/// Variables that no command can make sense of.
const NONSENSE: [(&str, &str); 8] = [
    ("MIDFLIGHT_LOG", "foo=bar=baz"),
    ("MIDFLIGHT_OUTPUT", "yaml"),
    ("MIDFLIGHT_LOG_FORMAT", "xml"),
    ("MIDFLIGHT_COLOR", "mauve"),
    ("MIDFLIGHT_PROGRESS", "loud"),
    ("MIDFLIGHT_NO_INPUT", "perhaps"),
    ("MIDFLIGHT_TIMEOUT", "soon"),
    ("MIDFLIGHT_CONFIG", ""),
];

#[test]
fn the_switch_works_in_an_environment_that_cannot_be_read() {
    for variable in NONSENSE {
        let fixture = Fixture::new();
        let ran = Program::new(&fixture).run_under(&[variable], &["rollback", "--why", "p99"]);
        throws(&fixture, &ran);
        assert!(ran.stdout.contains("reads go to the source"), "{variable:?}: {ran:?}");
    }
    let fixture = Fixture::new();
    let ran = Program::new(&fixture).run_under(&NONSENSE, &["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
    assert!(ran.stderr.contains("ignored a setting"), "it says what it left out: {ran:?}");
}

#[test]
fn the_switch_takes_its_files_from_an_environment_that_is_wrong_elsewhere() {
    let fixture = Fixture::new();
    let file = fixture.directory.path().join("another-rollback");
    let variables =
        [("MIDFLIGHT_OUTPUT", "yaml"), ("MIDFLIGHT_ROLLBACK_FILE", file.to_str().unwrap())];
    let ran = Program::new(&fixture).run_under(&variables, &["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
    assert!(file.exists(), "{ran:?}");
}

#[test]
fn the_switch_has_no_time_limit_but_its_own() {
    let fixture = Fixture::new();
    let variables = [("MIDFLIGHT_TIMEOUT", "1ms")];
    let ran = Program::new(&fixture).run_under(&variables, &["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
}

#[test]
fn every_other_command_refuses_what_it_cannot_read() {
    let fixture = Fixture::new();
    let program = Program::new(&fixture);
    let variables = [("MIDFLIGHT_OUTPUT", "yaml")];
    for words in [&["status"][..], &["promote"], &["rollback", "--no-such-flag"]] {
        let ran = program.run_under(&variables, words);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert!(!fixture.rollback_file().exists());
}

#[test]
fn a_log_that_is_asked_for_in_vain_is_no_reason_to_refuse_a_command() {
    let fixture = Fixture::new();
    let variables = [("MIDFLIGHT_LOG", "foo=bar=baz")];
    let ran = Program::new(&fixture).run_under(&variables, &["explain-config"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("MIDFLIGHT_LOG") && ran.stderr.contains("unset it"), "{ran:?}");
}
