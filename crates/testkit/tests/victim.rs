//! Sudden death, and the difference between a death and an end.

use std::process::{Command, Stdio};
use std::time::Duration;

use flowglass_testkit::{Dice, Fate, Scratch, Victim, wait_for};

#[test]
fn the_whole_group_dies_and_one_that_was_done_before_is_not_called_killed() {
    let scratch = Scratch::new();
    let grandchild = scratch.path("grandchild");
    let script = format!("sleep 1000 & echo $! > {}; wait", grandchild.display());
    let victim =
        Victim::spawn(Command::new("sh").args(["-c", &script]).stdout(Stdio::null())).unwrap();
    let fate = victim
        .kill_when(|| std::fs::read_to_string(&grandchild).is_ok_and(|text| text.ends_with('\n')));
    assert_eq!(fate, Fate::Killed);
    let pid = scratch.read("grandchild").trim().to_owned();
    wait_for("the grandchild to die", Duration::from_secs(10), || {
        // A killed process that nobody has collected yet is a zombie: dead all the same.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });

    let done = Victim::spawn(Command::new("sh").args(["-c", "exit 3"])).unwrap();
    let Fate::Ended(status) = done.kill_after(Duration::from_secs(20)) else {
        panic!("it ended by itself")
    };
    assert_eq!(status.code(), Some(3));
}

#[test]
fn random_instants_from_a_seed() {
    let mut dice = Dice::from_seed(42);
    for _ in 0..5 {
        let instant = dice.duration(Duration::ZERO..Duration::from_millis(20));
        let victim = Victim::spawn(Command::new("sleep").arg("1000")).unwrap();
        assert_eq!(victim.kill_after(instant), Fate::Killed);
    }
}
