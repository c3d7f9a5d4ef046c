//! What the documents say is there.

use std::path::{Path, PathBuf};

/// Scenario: the links of each document to files and folders of this repository.
/// Guarantees: each leads somewhere.
#[apply(e2e)]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut checked = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "recorders/README.md",
        "ltel-core/README.md",
        "ltel-macros/README.md",
        "ltel-macros/REFERENCE.md",
        "ltel-cli/src/report/README.md",
    ] {
        // Folders have no text, and no sections.
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let text = read(&root.join(document));
        let folder = root.join(document).parent().map(PathBuf::from).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            assert!(folder.join(path).exists(), "{document}: `{link}` leads nowhere");
            let is_of_anchor = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let anchor = |line: &str| -> String {
                let title = line.trim_start_matches(['#', ' ']).to_lowercase();
                title.chars().filter(is_of_anchor).collect::<String>().replace(' ', "-")
            };
            let is_section = |line: &str| line.starts_with('#') && anchor(line) == section;
            let target = if path.is_empty() { text.clone() } else { read(&folder.join(path)) };
            assert!(section.is_empty() || target.lines().any(is_section), "{document}: `{link}`");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} links");
}

/// Scenario: the end-to-end tests. Guarantees: each is `#[apply(e2e)]`, so that it is skipped where it cannot get what it needs.
#[apply(e2e)]
fn every_test_can_be_skipped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let (mut tests, attribute) = (0, format!("#[{}]", "test"));
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&attribute), "{}: {attribute} in the place of #[apply(e2e)]", file.display());
        tests += text.matches("#[apply(e2e)]").count();
    }
    assert!(tests > 200, "{tests} tests");
}
