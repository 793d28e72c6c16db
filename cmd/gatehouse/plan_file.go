package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/gatehouse/gatehouse/admin"
)

// planFileVersion is the form of plan files.
const planFileVersion = 1

// planFile is a plan as it is kept until it is applied: the proposal with its files, bound to the entry that it was made
// against and to the content that must come out.
type planFile struct {
	Version  int            `json:"gatehouse_plan"`
	Dir      string         `json:"dir"`
	Proposal admin.Proposal `json:"proposal"`
	Plan     admin.Plan     `json:"plan"`
}

// write keeps a plan. Documents are nobody else's business.
func (p *planFile) write(file string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if err := replaceFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// readPlanFile reads what write wrote.
func readPlanFile(file string) (*planFile, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is neither a directory nor a plan %s", file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	p := &planFile{}
	if err := json.Unmarshal(text, p); err != nil || p.Version == 0 {
		return nil, fmt.Errorf("%s is no plan: name a directory of documents, or a file that \"gatehouse plan -o FILE\" wrote", file)
	}
	if p.Version != planFileVersion {
		return nil, fmt.Errorf("%s is a plan of another version of Gatehouse: plan again", file)
	}
	return p, nil
}
