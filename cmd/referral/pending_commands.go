package main

import "github.com/spf13/cobra"

func newReconcile(process) *cobra.Command { return &cobra.Command{Use: "reconcile"} }
func newExplain(process) *cobra.Command   { return &cobra.Command{Use: "explain"} }
func newSimulate(process) *cobra.Command  { return &cobra.Command{Use: "simulate"} }
func newDemo(process) *cobra.Command      { return &cobra.Command{Use: "demo"} }
