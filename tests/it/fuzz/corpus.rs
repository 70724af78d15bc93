//! Seeds: files of the golden tests, and what was kept.

use std::path::{Path, PathBuf};

/// All files whose path below the crate holds one of `words` and ends in one of `ends`.
pub fn seeds(words: &[&str], ends: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in ["src", "tests/it/fuzz/corpora"] {
        collect(&root.join(dir), &mut files);
    }
    files.sort();
    let fits = |file: &PathBuf| {
        let path = file.strip_prefix(root).expect("below the crate").to_string_lossy().replace('\\', "/");
        let kept = path.contains("/fixtures/") || path.contains("/corpora/");
        kept && words.iter().any(|word| path.contains(word)) && ends.iter().any(|end| path.ends_with(end))
    };
    let seeds: Vec<_> = files.into_iter().filter(fits).map(|file| std::fs::read(file).expect("readable")).collect();
    assert!(!seeds.is_empty(), "no seeds for {words:?} {ends:?}");
    seeds
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
