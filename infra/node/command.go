package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"oipnode/shared/maintenance"
	"oipnode/shared/start"
)

// Exit codes of the sub-commands, besides those of package start.
const (
	// exitUsage: the command line is wrong, or what was asked for is not allowed.
	exitUsage = start.ExitConfig
	// exitFound: the task was done, and the answer is bad news: faults that are not
	// mended, or a memory at its critical level.
	exitFound = 3
	// exitAbsent: what was asked for is not there.
	exitAbsent = 4
	// exitBusy: somebody else is at work; the same command may succeed later.
	exitBusy = 5
	// exitNoNode: this needs a node that is running.
	exitNoNode = 6
)

const about = `oipnode is an index node for the Open Index Protocol. Without a command it is the node:
it serves and indexes until Ctrl-C. With one it does an operator's task, in the node that
is running in DATA_DIR, or on the folder itself when none is running. Settings are
environment variables; those of the node must be set for its commands too.`

const exitCodes = `
Exit codes:
  0  done
  1  failed; standard error tells why
  2  the command line or the configuration is wrong, or this is not allowed
  3  done, and the answer is bad news: faults that are not mended, memory that is critical
  4  what was asked for is not there
  5  busy: another process has the folder, or a cycle is running; try again
  6  this needs a running node, and there is none
`

// tool is one run of the program.
type tool struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	// code is what the run ends with.
	code int
}

// command is the whole program: it returns the exit code.
func command(args []string, in io.Reader, out, err io.Writer) int {
	t := &tool{in: in, out: out, err: err}
	root := t.root()
	root.SetArgs(longFlags(args))
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(err)
	if c, e := root.ExecuteC(); e != nil {
		help := strings.TrimSpace("oipnode help " + fullName(c))
		fmt.Fprintf(err, "oipnode: %v\nRun '%s' for what there is.\n", e, help)
		return exitUsage
	}
	return t.code
}

// longFlags lets flags have one dash, as Go's tools do: there are no short ones.
func longFlags(args []string) []string {
	list := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(list[i:], args[i:])
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' {
			a = "-" + a
		}
		list[i] = a
	}
	return list
}

func (t *tool) root() *cobra.Command {
	root := &cobra.Command{
		Use: "oipnode", Short: "An index node for the Open Index Protocol", Long: about + "\n" + exitCodes,
		Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		Run: func(*cobra.Command, []string) { t.code = start.Run("node", run) },
	}
	root.PersistentFlags().BoolVar(&t.json, "json", false, "answer as one line of JSON, for scripts")
	root.AddCommand(t.memoryCommands()...)
	root.AddCommand(t.indexCommands()...)
	root.AddCommand(t.folderCommands()...)
	return root
}

// fullName is the name of a sub-command with those that it is below, such as rejected list;
// that of the program itself is empty.
func fullName(c *cobra.Command) string {
	_, names, _ := strings.Cut(c.CommandPath(), " ")
	return names
}

// needs has a sub-command take as many arguments as it has names for.
func needs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return fmt.Errorf("%s needs %s, and was given %d", fullName(c), strings.Join(names, " and "), len(args))
	}
}

// task makes a sub-command that does a task.
func (t *tool) task(use, short, example string, args cobra.PositionalArgs, request func(args []string) (maintenance.Request, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: args, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			q, err := request(args)
			if err == nil {
				err = q.Check()
			}
			if err != nil {
				return usageError(err)
			}
			t.start(fullName(c), func(ctx context.Context, r reach) (int, error) { return t.do(ctx, r, q) })
			return nil
		},
	}
}

// start runs a sub-command with configuration, log and signals.
func (t *tool) start(name string, work func(ctx context.Context, r reach) (int, error)) {
	t.code = start.Run("oipnode "+name, func(ctx context.Context, env *start.Env) error {
		code, err := work(ctx, reach{env.Config, env.Log})
		if err != nil {
			fmt.Fprintf(t.err, "oipnode %s: %s\n", name, sentence(err))
			code = exitCode(err)
		}
		if code != 0 {
			return start.Exit(code)
		}
		return nil
	})
}

// number reads an argument that is a whole number.
func number(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q, and must be a whole number", name, text)
	}
	return n, nil
}

// numbers reads arguments that are whole numbers.
func numbers(args []string, names ...string) (list []int64, err error) {
	for i, name := range names {
		n, e := number(name, args[i])
		list, err = append(list, n), errors.Join(err, e)
	}
	return list, err
}

// simple is a task without arguments.
func simple(task string) func([]string) (maintenance.Request, error) {
	return func([]string) (maintenance.Request, error) { return maintenance.Request{Task: task}, nil }
}

// memoryCommands are those about the process that runs.
func (t *tool) memoryCommands() []*cobra.Command {
	diagnose := t.task("diagnose [quick|snapshot|monitor INTERVAL DURATION]", "Look into the memory of the running node",
		"  oipnode diagnose\n  oipnode diagnose snapshot        # then: go tool pprof FILE\n  oipnode diagnose monitor 10 300  # every 10 s for 300 s: growth, time to the limit",
		cobra.MaximumNArgs(3), func(args []string) (maintenance.Request, error) {
			q := maintenance.Request{Task: maintenance.TaskDiagnose, Mode: maintenance.ModeQuick}
			if len(args) == 0 {
				return q, nil
			}
			q.Mode = args[0]
			if q.Mode != maintenance.ModeMonitor {
				if len(args) > 1 {
					return q, fmt.Errorf("diagnose takes INTERVAL and DURATION with monitor only, and %q has no place", args[1])
				}
				return q, nil
			}
			if len(args) != 3 {
				return q, errors.New("monitor needs INTERVAL and DURATION, in seconds")
			}
			list, err := numbers(args[1:], "INTERVAL", "DURATION")
			if err == nil {
				q.Interval, q.Duration = list[0], list[1]
			}
			return q, err
		})
	diagnose.ValidArgs = []string{maintenance.ModeQuick, maintenance.ModeSnapshot, maintenance.ModeMonitor}
	return []*cobra.Command{
		t.task("cleanup", "Drop caches, give free memory back, forget which GUN records were processed", "  oipnode cleanup", cobra.NoArgs, simple(maintenance.TaskCleanup)),
		t.task("monitor SECONDS", "Watch the memory of the running node", "  oipnode monitor 120", needs("SECONDS"), func(args []string) (maintenance.Request, error) {
			n, err := number("SECONDS", args[0])
			return maintenance.Request{Task: maintenance.TaskMonitor, Seconds: n}, err
		}),
		t.task("stats", "Show what there is, how far the index is, and the memory", "  oipnode stats\n  oipnode stats -json | jq .lagBlocks", cobra.NoArgs, simple(maintenance.TaskStats)),
		diagnose,
	}
}

// indexCommands are those about the index.
func (t *tool) indexCommands() []*cobra.Command {
	var remap, verify, list, export, token, repair maintenance.Request
	var grace int64
	remapping := t.task("remap TYPE", "Fetch, verify and expand all records of a type again", "  oipnode remap recipe", needs("TYPE"), func(args []string) (maintenance.Request, error) {
		remap.Task, remap.Type = maintenance.TaskRemap, args[0]
		return remap, nil
	})
	remapping.Flags().BoolVar(&remap.Fresh, "fresh", false, "begin anew, also when an earlier one was not finished")

	verification := t.task("verify", "Compare every record with the chain, its signature too; exit code 3 when something is wrong",
		"  oipnode verify\n  oipnode verify -repair\n  oipnode verify -json | jq .faults", cobra.NoArgs, func([]string) (maintenance.Request, error) {
			verify.Task = maintenance.TaskVerify
			return verify, nil
		})
	verification.Flags().BoolVar(&verify.Repair, "repair", false, "mend what is found")
	verification.Flags().BoolVar(&verify.Fresh, "fresh", false, "begin anew, also when an earlier one was not finished")

	rejected := &cobra.Command{Use: "rejected", Short: "Show what was kept out of the index, and why", Args: cobra.NoArgs}
	rejections := t.task("list", "List rejections, by their reason", "  oipnode rejected list\n  oipnode rejected list -after bad_signature/…", cobra.NoArgs, func([]string) (maintenance.Request, error) {
		list.Task = maintenance.TaskRejected
		return list, nil
	})
	rejections.Flags().StringVar(&list.After, "after", "", "go on behind this position, which an answer tells as next")
	rejections.Flags().Int64Var(&list.Limit, "limit", 0, "how many, 50 unless told otherwise")
	rejected.AddCommand(rejections, t.task("show ID", "Show what the ledger knows of one transaction", "  oipnode rejected show did:arweave:…", needs("ID"),
		func(args []string) (maintenance.Request, error) {
			return maintenance.Request{Task: maintenance.TaskRejected, ID: args[0]}, nil
		}))

	exporting := t.task("export", "Write the documents to standard output, one line of JSON each",
		"  oipnode export >records.ndjson\n  oipnode export -type recipe | jq -r .data.basic.name", cobra.NoArgs, func([]string) (maintenance.Request, error) {
			export.Task = maintenance.TaskExport
			return export, nil
		})
	exporting.Flags().StringVar(&export.Type, "type", "", "only records of this type")
	exporting.Flags().StringVar(&export.Cursor, "cursor", "", "go on behind an earlier export, which tells its nextCursor")
	exporting.Flags().Int64Var(&export.Limit, "limit", 0, "at most so many")

	minting := t.task("token", "Make a token with the node's JWT_SECRET, for trying things",
		"  TOKEN=$(oipnode token -public-key KEY)\n  oipnode token -admin -minutes 5 -json", cobra.NoArgs, func([]string) (maintenance.Request, error) {
			token.Task = maintenance.TaskToken
			return token, nil
		})
	minting.Flags().StringVar(&token.UserID, "user-id", "", "claim userId")
	minting.Flags().StringVar(&token.Email, "email", "", "claim email")
	minting.Flags().StringVar(&token.PublicKey, "public-key", "", "claim publicKey")
	minting.Flags().BoolVar(&token.Admin, "admin", false, "claim isAdmin")
	minting.Flags().Int64Var(&token.Minutes, "minutes", 0, "how long it is good, an hour unless told otherwise")

	mending := t.task("media-repair", "Mend what kills and lost files left of the media", "  oipnode media-repair", cobra.NoArgs, func([]string) (maintenance.Request, error) {
		repair.Task = maintenance.TaskMediaRepair
		if grace >= 0 {
			repair.GraceMinutes = &grace
		}
		return repair, nil
	})
	mending.Flags().Int64Var(&grace, "grace-minutes", -1, "how old a file without a manifest must be before it goes; a day unless told otherwise")

	return []*cobra.Command{
		t.task("delete DID", "Remove a record from this node, for good", "  oipnode delete did:arweave:…", needs("DID"), func(args []string) (maintenance.Request, error) {
			return maintenance.Request{Task: maintenance.TaskDelete, DID: args[0]}, nil
		}),
		t.task("rescan FROM TO", "Have the next index cycles read blocks again", "  oipnode rescan 1579570 1600000", needs("FROM", "TO"), func(args []string) (maintenance.Request, error) {
			list, err := numbers(args, "FROM", "TO")
			if err != nil {
				return maintenance.Request{}, err
			}
			return maintenance.Request{Task: maintenance.TaskRescan, From: &list[0], To: &list[1]}, nil
		}),
		t.task("retry [REASON]", "Try again now what waits, all of it or that of a reason",
			"  oipnode retry\n  oipnode retry waiting:data\n  oipnode retry rejected:bad_signature", cobra.MaximumNArgs(1), func(args []string) (maintenance.Request, error) {
				return maintenance.Request{Task: maintenance.TaskRetry, Reason: strings.Join(args, "")}, nil
			}),
		remapping, verification, rejected, exporting, minting, mending,
	}
}

// folderCommands are those about the data folder.
func (t *tool) folderCommands() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: "backup FILE", Short: "Copy the data folder into an archive, while the node runs", DisableFlagsInUseLine: true,
			Example: "  oipnode backup node.tar\n  oipnode backup - | zstd >node.tar.zst", Args: needs("FILE"),
			RunE: func(_ *cobra.Command, args []string) error {
				t.start("backup", func(ctx context.Context, r reach) (int, error) { return 0, t.backup(ctx, r, args[0]) })
				return nil
			},
		},
		{
			Use: "restore FILE", Short: "Make the data folder out of an archive; it must be empty", DisableFlagsInUseLine: true,
			Example: "  DATA_DIR=./other oipnode restore node.tar", Args: needs("FILE"),
			RunE: func(_ *cobra.Command, args []string) error {
				t.start("restore", func(ctx context.Context, r reach) (int, error) { return 0, t.restore(ctx, r, args[0]) })
				return nil
			},
		},
	}
}

// backup writes an archive into a file, which appears whole or not at all, or to standard
// output.
func (t *tool) backup(ctx context.Context, r reach, name string) (err error) {
	if name == "-" {
		return r.backup(ctx, t.out)
	}
	if _, err := os.Stat(name); err == nil {
		return fmt.Errorf("%w: %s exists; name another file", errUsage, name)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // it has what is private
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	err = r.backup(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	info, err := os.Stat(part)
	if err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return err
	}
	return t.answer(map[string]any{"file": name, "bytes": info.Size()})
}

// restore reads an archive from a file or from standard input.
func (t *tool) restore(ctx context.Context, r reach, name string) error {
	in := t.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	n := newNode(r.config, &logDisplay{out: r.log})
	done, err := n.restore(ctx, in)
	if err != nil {
		return err
	}
	return t.answer(done)
}
