//! The seeds of the fuzz targets, fed through the very functions that are fuzzed, with a few
//! thousand mutations from a fixed seed: the short form of `cargo xtask fuzz`.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod faces;

use std::path::{Path, PathBuf};

use faces::{FACES, feed};
use flowglass_testkit::Dice;

/// Mutations of each seed.
const MUTATIONS: usize = 60;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a folder by name, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder);
    let listed = listed.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_face_has_a_target_and_seeds() {
    let stems = |folder: &str| -> Vec<String> {
        let files = files(&fuzz().join(folder));
        files.iter().map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let known: Vec<&str> = FACES.iter().map(|(name, _)| *name).collect();
    assert_eq!(stems("fuzz_targets"), known);
    assert_eq!(stems("seeds"), known);
}

#[test]
fn seeds_and_their_mutations_are_answered() {
    let mut dice = Dice::from_seed(20_260_131);
    for (name, _) in FACES {
        let seeds = files(&fuzz().join("seeds").join(name));
        assert!(seeds.len() >= 2, "{name} has too few seeds");
        let seeds: Vec<Vec<u8>> = seeds.iter().map(|it| std::fs::read(it).unwrap()).collect();
        for seed in &seeds {
            feed(name, seed);
            for _ in 0..MUTATIONS {
                feed(name, &mutated(seed, &seeds, &mut dice));
            }
        }
    }
}

/// A place below `end`.
fn place(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).unwrap()
}

/// Bytes changed, cut out, doubled, or taken from another seed.
fn mutated(seed: &[u8], others: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=place(dice, 4) {
        if bytes.is_empty() {
            break;
        }
        let (one, two) = (place(dice, bytes.len()), place(dice, bytes.len()));
        let (from, to) = (one.min(two), one.max(two));
        match place(dice, 4) {
            0 => bytes[from] = u8::try_from(dice.below(256)).unwrap(),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let piece = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, piece));
            }
            _ => {
                let other = &others[place(dice, others.len())];
                bytes.truncate(from);
                bytes.extend_from_slice(&other[place(dice, other.len() + 1)..]);
            }
        }
    }
    bytes
}
