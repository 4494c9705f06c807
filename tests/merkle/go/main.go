// Checks a log with golang.org/x/mod/sumdb, the code that verifies Go's own checksum database: reads the log as JSON from
// its standard input, prints a verdict, and exits with 1 when it refuses the log.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type evidence struct {
	Origin     string
	Vkey       string
	Checkpoint string
	Entries    [][]byte
	Inclusion  []struct {
		Index  int64
		Hashes []tlog.Hash
	}
	Consistency []struct {
		Old    int64
		Root   tlog.Hash
		Hashes []tlog.Hash
	}
	Tiles map[string][]byte
}

// storage holds the hashes of a tree in the order in which its entries complete them.
type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("the entries end before hash %d", index)
		}
		hashes[i] = s[index]
	}
	return hashes, nil
}

// tiles reads tiles of height 8 by their C2SP paths, which lack the height.
type tiles map[string][]byte

func (t tiles) Height() int { return 8 }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, tile := range wanted {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		if len(t[path]) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("there is no %s of %d hashes", path, tile.W)
		}
		data[i] = t[path]
	}
	return data, nil
}

func openCheckpoint(e evidence) (tree tlog.Tree, err error) {
	verifier, err := note.NewVerifier(e.Vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open([]byte(e.Checkpoint), note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	rest := strings.TrimPrefix(opened.Text, e.Origin+"\n")
	if rest == opened.Text {
		return tree, fmt.Errorf("another origin than %s", e.Origin)
	}
	// Go's database has one name for all logs; the rest of the text is that of every checkpoint.
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

func checkEntries(e evidence, tree tlog.Tree) (storage, error) {
	var stored storage
	for i, entry := range e.Entries {
		hashes, err := tlog.StoredHashes(int64(i), entry, stored)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	if int64(len(e.Entries)) != tree.N {
		return nil, fmt.Errorf("%d entries in a tree of %d", len(e.Entries), tree.N)
	}
	root, err := tlog.TreeHash(tree.N, stored)
	if err == nil && root != tree.Hash {
		err = fmt.Errorf("the entries have the root %v, the checkpoint %v", root, tree.Hash)
	}
	return stored, err
}

func checkProofs(e evidence, tree tlog.Tree, stored storage) error {
	for _, proof := range e.Inclusion {
		if proof.Index < 0 || proof.Index >= tree.N {
			return fmt.Errorf("no entry at %d", proof.Index)
		}
		leaf := tlog.RecordHash(e.Entries[proof.Index])
		if err := tlog.CheckRecord(proof.Hashes, tree.N, tree.Hash, proof.Index, leaf); err != nil {
			return fmt.Errorf("inclusion of %d: %w", proof.Index, err)
		}
		own, err := tlog.ProveRecord(tree.N, proof.Index, stored)
		if err != nil || fmt.Sprint(own) != fmt.Sprint(tlog.RecordProof(proof.Hashes)) {
			return fmt.Errorf("another inclusion proof of %d", proof.Index)
		}
	}
	for _, proof := range e.Consistency {
		root, err := tlog.TreeHash(proof.Old, stored)
		if err != nil || root != proof.Root {
			return fmt.Errorf("consistency with %d: the entries have another root", proof.Old)
		}
		if err := tlog.CheckTree(proof.Hashes, tree.N, tree.Hash, proof.Old, proof.Root); err != nil {
			return fmt.Errorf("consistency with %d: %w", proof.Old, err)
		}
		own, err := tlog.ProveTree(tree.N, proof.Old, stored)
		if err != nil || fmt.Sprint(own) != fmt.Sprint(tlog.TreeProof(proof.Hashes)) {
			return fmt.Errorf("another consistency proof with %d", proof.Old)
		}
	}
	return nil
}

func checkTiles(e evidence, tree tlog.Tree) error {
	expected := 0
	for hashes := tree.N; hashes > 0; hashes >>= 8 {
		expected += int((hashes + 255) / 256)
	}
	if len(e.Tiles) != expected {
		return fmt.Errorf("%d tiles instead of %d", len(e.Tiles), expected)
	}
	// This reader gives no hash that it has not first checked against the root.
	reader := tlog.TileHashReader(tree, tiles(e.Tiles))
	for path, data := range e.Tiles {
		tile, err := tlog.ParseTilePath("tile/8/" + strings.TrimPrefix(path, "tile/"))
		if err != nil {
			return err
		}
		checked, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return fmt.Errorf("tile %s: %w", path, err)
		}
		if string(checked) != string(data) {
			return fmt.Errorf("tile %s: other hashes", path)
		}
	}
	return nil
}

func verify(e evidence) error {
	tree, err := openCheckpoint(e)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	stored, err := checkEntries(e, tree)
	if err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	if err := checkProofs(e, tree, stored); err != nil {
		return fmt.Errorf("proofs: %w", err)
	}
	if err := checkTiles(e, tree); err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	return nil
}

func main() {
	var e evidence
	if err := json.NewDecoder(os.Stdin).Decode(&e); err != nil {
		fmt.Fprintln(os.Stderr, "cannot read the log:", err)
		os.Exit(2)
	}
	if err := verify(e); err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	fmt.Printf("verified: %d entries, %d inclusion proofs, %d consistency proofs, %d tiles\n",
		len(e.Entries), len(e.Inclusion), len(e.Consistency), len(e.Tiles))
}
