#include "io/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "io/support.h"

namespace moebert {
namespace {

namespace fs = std::filesystem;
using File = test::InFolder;

std::size_t file_count(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST_F(File, IsMappedWithItsContent) {
    const MappedFile file(put("a", "content"));
    EXPECT_TRUE(std::ranges::equal(file.bytes(), test::bytes_of("content")));
}

TEST_F(File, StaysMappedForTheOwnerOfItsBytes) {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
    {
        const MappedFile file(put("a", "content"));
        bytes = file.bytes();
        owner = file.owner();
    }
    fs::remove(folder / "a");
    EXPECT_TRUE(std::ranges::equal(bytes, test::bytes_of("content")));
}

TEST_F(File, MayBeEmpty) {
    EXPECT_TRUE(MappedFile(put("a", "")).bytes().empty());
    EXPECT_EQ(read_text(folder / "a"), "");
}

TEST_F(File, ThatCannotBeReadIsNamedWithTheReason) {
    EXPECT_ERROR(MappedFile(folder / "nothing"), (folder / "nothing").string() + ": no such file");
    EXPECT_ERROR(MappedFile{folder}, "expected a file, found a directory");
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    EXPECT_ERROR(MappedFile(folder / "pipe"), "not a regular file");
    EXPECT_ERROR(read_text(folder / "pipe"), "not a regular file");
    EXPECT_ERROR(read_text("/dev/zero"), "/dev/zero: not a regular file");
}

TEST_F(File, LargerThanTheLimitIsNotRead) {
    put("a", "12345");
    EXPECT_EQ(read_text(folder / "a", 5), "12345");
    EXPECT_ERROR(read_text(folder / "a", 4), "expected at most 4 bytes, found 5");
    // Of holes: no memory is taken for it either.
    fs::resize_file(folder / "a", std::uintmax_t{1} << 36);
    EXPECT_ERROR(read_text(folder / "a"), "expected at most 1073741824 bytes, found 68719476736");
}

TEST_F(File, IsReplacedBehindALink) {
    put("a", "old");
    fs::create_symlink("a", folder / "link");
    write_file_atomically(folder / "link", "new");
    EXPECT_TRUE(fs::is_symlink(folder / "link"));
    EXPECT_EQ(test::slurp(folder / "a"), "new");
    fs::create_directory(folder / "real");
    fs::create_symlink("real/b", folder / "dangling");
    write_file_atomically(folder / "dangling", "first");
    EXPECT_TRUE(fs::is_symlink(folder / "dangling"));
    EXPECT_EQ(test::slurp(folder / "real/b"), "first");
    fs::create_symlink("loop", folder / "loop");
    EXPECT_ERROR(write_file_atomically(folder / "loop", "text"), "loop: can't be written: ");
}

// A file's end, as `command >> log` has it, stays what it is.
TEST_F(File, BehindAnOpenDescriptorIsWrittenToAsItIs) {
    put("log", "old\n");
    const int log = ::open((folder / "log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    ASSERT_GE(log, 0);
    write_file_atomically(fmt::format("/dev/fd/{}", log), "one\n");
    fs::create_symlink(fmt::format("/proc/self/fd/{}", log), folder / "link");
    write_file_atomically(folder / "link", "two\n");
    ::close(log);
    EXPECT_EQ(test::slurp(folder / "log"), "old\none\ntwo\n");
    EXPECT_ERROR(write_file_atomically(fmt::format("/dev/fd/{}", log), "text"), "can't be written: ");
}

TEST_F(File, MayHaveALongName) {
    const std::string name(250, 'n');
    write_file_atomically(folder / name, "text");
    EXPECT_EQ(test::slurp(folder / name), "text");
}

TEST_F(File, IsNoReplacementForAPipeOrAFolder) {
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    write_file_atomically(folder / "pipe", "text");
    std::string read(10, ' ');
    const auto count = ::read(reader, read.data(), read.size());
    ::close(reader);
    EXPECT_EQ(read.substr(0, static_cast<std::size_t>(std::max<ssize_t>(0, count))), "text");
    EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
    EXPECT_ERROR(write_file_atomically(folder, "text"), folder.string() + ": can't be written: Is a directory");
}

TEST_F(File, IsReplacedAsAWhole) {
    put("a", "old");
    write_file_atomically(folder / "a", "new");
    EXPECT_EQ(test::slurp(folder / "a"), "new");
    EXPECT_EQ(file_count(folder), 1u);
}

TEST_F(File, ThatIsNotCommittedLeavesTheOldOne) {
    put("a", "old");
    {
        AtomicFile file(folder / "a");
        file.write("new");
        EXPECT_EQ(test::slurp(folder / "a"), "old");
    }
    EXPECT_EQ(test::slurp(folder / "a"), "old");
    EXPECT_EQ(file_count(folder), 1u);
}

TEST_F(File, HasThePermissionsOfAnyNewFile) {
    put("usual", "");
    write_file_atomically(folder / "a", "new");
    EXPECT_EQ(fs::status(folder / "a").permissions(), fs::status(folder / "usual").permissions());
}

TEST_F(File, InAFolderThatIsNotThereCannotBeWritten) {
    EXPECT_ERROR(write_file_atomically(folder / "no/a", "x"), (folder / "no/a").string() + ": can't be written");
}

TEST_F(File, CannotReplaceAFolder) {
    fs::create_directories(folder / "a");
    EXPECT_ERROR(write_file_atomically(folder / "a", "x"), "can't be written: Is a directory");
    EXPECT_EQ(file_count(folder), 1u);
}

// A limit of the file size stands for a full disk: the kernel takes a part of the bytes, then none.
TEST_F(File, OnAFullDiskGivesOneErrorAndLeavesNoTrace) {
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
    const auto signal_handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit tiny{1000, usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
    const std::string message = test::error_of([&] { write_file_atomically(folder / "a", std::string(5000, 'x')); });
    ::setrlimit(RLIMIT_FSIZE, &usual);
    std::signal(SIGXFSZ, signal_handler);
    EXPECT_EQ(message, (folder / "a").string() + ": can't be written: File too large");
    EXPECT_EQ(file_count(folder), 0u);
}

TEST_F(File, FolderIsMadeWithThoseAboveIt) {
    make_folder(folder / "a/b");
    make_folder(folder / "a/b");
    EXPECT_TRUE(fs::is_directory(folder / "a/b"));
    EXPECT_NO_THROW(make_folder(""));
    put("file", "x");
    EXPECT_ERROR(make_folder(folder / "file/a"), (folder / "file/a").string() + ": can't be created: Not a directory");
}

TEST_F(File, OfAnOutputItIsKnownBeforehandWhetherItCanBeWritten) {
    put("file", "x");
    fs::create_directory(folder / "there");
    fs::create_symlink("nowhere", folder / "dangling");
    for (const auto* good : {"a", "a/b/c", "file", "there/a", "/dev/null", "/dev/stderr"})
        EXPECT_NO_THROW(check_can_write(folder / good)) << good;
    EXPECT_ERROR(check_can_write(folder / "there"), "there: can't be written: Is a directory");
    EXPECT_ERROR(check_can_write(folder / "file/a"), "file: can't be created: Not a directory");
    EXPECT_ERROR(check_can_write(folder / "file/a/b"), "file/a: can't be created: Not a directory");
    EXPECT_ERROR(check_can_write(folder / "dangling/a"), "dangling: can't be created: a link that leads nowhere");
    for (const auto& good : {folder, folder / "a", folder / "a/b/", folder / "there"})
        EXPECT_NO_THROW(check_can_write_into(good)) << good;
    EXPECT_NO_THROW(check_can_write_into(""));
    EXPECT_ERROR(check_can_write_into(folder / "file"), "file: can't be created: Not a directory");
    EXPECT_EQ(file_count(folder), 3u) << "nothing was made";
    if (::geteuid() == 0) return;  // to whom no folder is read-only
    fs::permissions(folder / "there", fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_ERROR(check_can_write(folder / "there/a"), "there: can't be written: Permission denied");
    EXPECT_ERROR(check_can_write(folder / "there/a/b"), "there/a: can't be created: Permission denied");
}

TEST_F(File, FolderReplacesAnother) {
    const auto make = [&](const std::string& name, const std::string& content) {
        std::filesystem::create_directories(folder / name);
        put(name + "/file", content);
    };
    make("new", "1");
    replace_folder(folder / "new", folder / "target");
    EXPECT_EQ(test::slurp(folder / "target/file"), "1");
    make("new", "2");
    replace_folder(folder / "new", folder / "target");
    EXPECT_EQ(test::slurp(folder / "target/file"), "2");
    EXPECT_FALSE(std::filesystem::exists(folder / "new"));
    EXPECT_ERROR(replace_folder(folder / "new", folder / "target"), "target: can't be written: No such file");
}

TEST_F(File, ThatIsReplacedKeepsItsPermissions) {
    put("a", "old");
    fs::permissions(folder / "a", fs::perms(0640));
    write_file_atomically(folder / "a", "new");
    EXPECT_EQ(fs::status(folder / "a").permissions(), fs::perms(0640));
}

TEST_F(File, GroupIsThereOrNot) {
    put("last", "old");
    put("gone", "old");
    {
        FileGroup files(folder, "last");
        files.add("a").write("new");
        files.add("last").write("new");
        files.remove("gone");
        EXPECT_EQ(test::slurp(folder / "last"), "old");
        EXPECT_EQ(file_count(folder), 4u);
    }
    EXPECT_EQ(file_count(folder), 2u) << "not committed";
    FileGroup files(folder, "last");
    for (const auto* name : {"last", "a"}) files.add(name).write("new");
    for (const auto* name : {"gone", "never there"}) files.remove(name);
    files.commit();
    EXPECT_EQ(test::slurp(folder / "last"), "new");
    EXPECT_EQ(test::slurp(folder / "a"), "new");
    EXPECT_EQ(file_count(folder), 2u);
}

// A signal that ends the process takes what is half written along.
TEST_F(File, TemporaryGoesWithTheProcess) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        const auto child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            std::signal(signal, SIG_DFL);
            remove_temporaries_on_signals();
            AtomicFile file(folder / "a");
            file.write("x");
            ::raise(signal);
            ::_exit(1);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal);
        EXPECT_EQ(file_count(folder), 0u);
    }
}

TEST_F(File, OutputFolderIsThereForTheJobAndStaysWithWhatItPutsThere) {
    {
        const OutputFolder output(folder / "a/b");
        EXPECT_ERROR(OutputFolder(folder / "a/b"), "a/b: another run is writing into this folder");
        EXPECT_ERROR(OutputFolder(folder / "a/b", FolderLock::For::several), "another run is writing");
    }
    EXPECT_EQ(file_count(folder), 0u);
    {
        const OutputFolder output(folder / "a/b", FolderLock::For::several);
        EXPECT_NO_THROW(OutputFolder(folder / "a/b", FolderLock::For::several));
        EXPECT_ERROR(OutputFolder(folder / "a/b"), "another run is writing into this folder");
        put("a/b/file", "x");
    }
    EXPECT_TRUE(fs::exists(folder / "a/b/file"));
}

TEST_F(File, FolderLockIsForOneAtATime) {
    {
        const FolderLock first(folder);
        EXPECT_ERROR(FolderLock second(folder), folder.string() + ": another run is writing into this folder");
    }
    EXPECT_NO_THROW(FolderLock again(folder));
    EXPECT_ERROR(FolderLock none(folder / "none"), "none: can't be opened: No such file");
}

TEST_F(File, WhatStandsInForAFileIsNamed) {
    const auto pointer = put("a", "version https://git-lfs.example/spec/v1\noid sha256:12\nsize 3\n");
    EXPECT_ERROR(MappedFile{pointer}, "a: is a Git LFS pointer, not the file itself");
    EXPECT_ERROR(read_text(pointer), "is a Git LFS pointer");
    for (const char* page : {"<!DOCTYPE html>\n<html>", "\xEF\xBB\xBF\n<HTML lang=\"en\">"})
        EXPECT_ERROR(MappedFile{put("b", page)}, "b: is an HTML page");
    EXPECT_EQ(read_text(put("c", "<b>text</b>")), "<b>text</b>");
}

}  // namespace
}  // namespace moebert
