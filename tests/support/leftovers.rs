//! What a coordinator left in the process table.
//!
//! Every process of a world carries the path of the world's folder: in its command line (keepers are run by a link in
//! there), in its environment (`HOME` lies in there) or as its working directory. So worlds that run side by side do
//! not see each other.

use std::{fs, path::Path};

/// Processes that belong to the world in `folder`, each with its command line.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let marker = folder.to_str().expect("a temporary folder's path is text");
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id()).filter_map(|pid| belonging(pid, marker)).collect()
}

fn belonging(pid: u32, marker: &str) -> Option<String> {
    // A process that ends while it is looked at is none.
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let marked = command.contains(marker)
        || String::from_utf8_lossy(&environment).contains(marker)
        || folder.to_string_lossy().contains(marker);
    marked.then(|| format!("{pid}: {}", command.trim()))
}
